"""Many backfills, those that are held or aborted, and schedules that change meanwhile."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks import actions
from tasks.broker import jobs as broker_jobs
from tasks.broker import push as broker_push
from tasks.errors import BrokerUnavailable
from tasks.models import Audit, Backfill, Fire, Job, Schedule
from tasks.models.backfill import BackfillState
from tasks.models.fire import Verdict
from tasks.policy import CODE
from tasks.schedules import backfilling
from tasks.schedules.backfill import abort, go_on, pause
from tasks.schedules.backfilling import Backfilling
from tasks.states import State
from tests.engine import claim, record_all, settle, waiting
from tests.timetable import (
    DAY,
    NOW,
    create_backfill,
    create_calendar,
    create_schedule,
)

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)

#: The moments of the three days before NOW, at 09:00, and when they are filled in.
MOMENTS = [NOW + HOUR - day * DAY for day in (3, 2, 1)]
LATER = NOW + timedelta(minutes=10)


def step() -> int:
    return Backfilling().step(LATER)


def finish_all() -> None:
    Job.objects.update(state=State.FINISHED)


def moments_run() -> list[datetime]:
    """Return the moments of which jobs came, in the order of their submission."""
    fires = Fire.objects.exclude(job_key="").order_by("pk")
    return list(fires.values_list("due_at", flat=True))


def states() -> dict[str, int]:
    found = list(Job.objects.values_list("state", flat=True))
    return {state: found.count(state) for state in sorted(set(found))}


class TestTurns:
    def test_a_step_ends_after_some_and_the_next_goes_on_with_the_others(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backfilling, "MOST_TURNS", 2)
        made = [create_backfill(create_schedule(name)) for name in "abcde"]
        doing = Backfilling()
        assert [doing.step(LATER) for _time in range(4)] == [2, 2, 1, 0]
        fires = Fire.objects.order_by("pk").values_list("backfill", flat=True)
        assert list(fires) == [backfill.pk for backfill in made]

    def test_a_step_ends_after_so_many_jobs(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backfilling, "MOST_JOBS", 3)
        for name in "ab":
            create_backfill(create_schedule(name), at_once=3)
        doing = Backfilling()
        assert [doing.step(LATER) for _time in range(3)] == [3, 3, 0]

    def test_those_that_have_no_room_hide_none_behind_them(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backfilling, "LOOKED_AT", 2)
        for name in "abc":
            create_backfill(create_schedule(name))
        doing = Backfilling()
        assert [doing.step(LATER) for _time in range(3)] == [2, 1, 0]
        finish_all()
        assert sum(doing.step(LATER) for _time in range(2)) == 3

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="of PostgreSQL")
    def test_the_lock_is_taken_back_from_one_that_stands_still(self) -> None:
        create_backfill(create_schedule())
        with CaptureQueriesContext(connection) as queries:
            step()
        limits = [
            sql for one in queries if "idle_in_transaction" in (sql := one["sql"])
        ]
        assert len(limits) == 1


class TestPausing:
    def test_its_jobs_run_meanwhile_and_it_goes_on_where_it_was(self) -> None:
        backfill = create_backfill(create_schedule())
        step()
        pause(CODE, backfill.pk)
        job = claim()
        settle(job)
        record_all()
        assert states() == {"finished": 1}
        assert step() == 0
        go_on(CODE, backfill.pk)
        assert step() == 1
        assert moments_run() == MOMENTS[:2]


class TestAborting:
    def test_jobs_that_wait_are_canceled_and_one_that_runs_runs_on(self) -> None:
        backfill = create_backfill(create_schedule(), at_once=3)
        step()
        job = claim()
        record_all()
        abort(CODE, backfill.pk)
        assert step() == 0
        record_all()
        assert states() == {"canceled": 2, "started": 1}
        assert waiting() == []
        settle(job)
        record_all()
        assert states() == {"canceled": 2, "finished": 1}
        canceled = Audit.objects.filter(verb="cancel")
        assert {(entry.actor, entry.via) for entry in canceled} == {
            ("nightly", "schedule")
        }
        assert canceled.count() == 2
        assert step() == 0
        assert Backfill.objects.get().state == BackfillState.ABORTED

    def test_many_are_canceled_in_many_steps(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        backfill = create_backfill(create_schedule(), at_once=3)
        step()
        abort(CODE, backfill.pk)
        monkeypatch.setattr(backfilling, "MOST_JOBS", 2)
        step()
        assert states() == {"canceled": 2, "created": 1}
        step()
        assert states() == {"canceled": 3}
        assert Backfill.objects.get().unended == []

    def test_those_that_redis_never_saw_are_canceled_too(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_jobs: Any, **_more: Any) -> None:
            raise BrokerUnavailable("gone")

        backfill = create_backfill(create_schedule(), at_once=3)
        with monkeypatch.context() as patched:
            patched.setattr(broker_push, "push", refuse)
            step()
        abort(CODE, backfill.pk)
        step()
        assert states() == {"canceled": 3}

    def test_it_waits_for_a_redis_that_is_away(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_job: Any) -> None:
            raise BrokerUnavailable("gone")

        backfill = create_backfill(create_schedule(), at_once=3)
        step()
        abort(CODE, backfill.pk)
        with monkeypatch.context() as patched:
            patched.setattr(broker_jobs, "cancel", refuse)
            with pytest.raises(BrokerUnavailable):
                step()
        assert "canceled" not in states()
        step()
        assert states() == {"canceled": 3}

    def test_what_ended_or_was_retried_by_hand_is_let_alone(self) -> None:
        backfill = create_backfill(create_schedule(), at_once=1)
        step()
        job = claim()
        settle(job, "fail", traceback="x")
        record_all()
        abort(CODE, backfill.pk)
        step()
        actions.retry(CODE, job.id)
        step()
        assert waiting() == [job.id]


class TestChanges:
    def test_what_is_not_submitted_yet_follows_a_changed_rule(self) -> None:
        create_backfill(create_schedule())
        step()
        finish_all()
        Schedule.objects.update(expression="0 11 * * *", kwargs={"a": 2})
        for _time in range(4):
            step()
            finish_all()
        eleven = timedelta(hours=2)
        assert moments_run() == [MOMENTS[0], *(at + eleven for at in MOMENTS)]
        assert Job.objects.filter(kwargs={"a": 2}).count() == 3
        done = Backfill.objects.get()
        assert (done.state, done.total) == (BackfillState.DONE, 4)

    def test_one_whose_schedule_has_no_past_any_more_is_done(self) -> None:
        create_backfill(create_schedule())
        step()
        finish_all()
        Schedule.objects.update(kind="after", every=60.0)
        step()
        done = Backfill.objects.get()
        assert (done.state, done.total) == (BackfillState.DONE, 1)

    def test_new_days_off_are_left_out(self) -> None:
        schedule = create_schedule()
        create_backfill(schedule)
        calendar = create_calendar(off=[f"{MOMENTS[1]:%Y-%m-%d}"], weekends=[])
        Schedule.objects.update(calendar=calendar)
        for _time in range(4):
            step()
            finish_all()
        assert moments_run() == [MOMENTS[0], MOMENTS[2]]

    def test_a_task_that_is_gone_is_refused_moment_by_moment(self) -> None:
        create_backfill(create_schedule())
        step()
        finish_all()
        Schedule.objects.update(task="tests.sample.gone")
        for _time in range(3):
            step()
        verdicts = Fire.objects.order_by("due_at").values_list("verdict", flat=True)
        assert list(verdicts) == [Verdict.RAN, Verdict.REFUSED, Verdict.REFUSED]
        assert Backfill.objects.get().state == BackfillState.DONE

    def test_a_schedule_that_is_deleted_takes_its_backfills_along(self) -> None:
        create_backfill(create_schedule())
        create_backfill(create_schedule("other"))
        step()
        Schedule.objects.filter(name="nightly").delete()
        finish_all()
        assert step() == 1
        assert Backfill.objects.get().schedule.name == "other"
        # What it had submitted is a job like any other.
        assert Job.objects.count() == 3

    def test_one_that_is_deleted_while_it_is_looked_at_is_let_alone(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        for state in (BackfillState.RUNNING, BackfillState.ABORTED):
            create_backfill(create_schedule(state), state=state, unended=["gone"])
        unended = backfilling._unended

        def be_slow(job_ids: Any) -> set[str]:
            Schedule.objects.all().delete()
            return unended(job_ids)

        monkeypatch.setattr(backfilling, "_unended", be_slow)
        assert step() == 0
        assert not caplog.records


class TestFailures:
    def test_a_job_that_fails_makes_room_for_the_next(self) -> None:
        create_backfill(create_schedule())
        for _time in range(3):
            assert step() == 1
            settle(claim(), "fail", traceback="x")
            record_all()
        step()
        assert states() == {"failed": 3}
        assert Backfill.objects.get().state == BackfillState.DONE

    def test_a_job_that_is_tried_again_keeps_its_room(self) -> None:
        create_backfill(create_schedule(retries=1))
        step()
        settle(claim(), "fail", retry_after=60.0)
        record_all()
        assert step() == 0
        assert len(moments_run()) == 1
