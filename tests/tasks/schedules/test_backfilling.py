"""What the scheduler does for backfills, one step at a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from tasks.broker import push as broker_push
from tasks.errors import BrokerUnavailable
from tasks.models import Audit, Backfill, Fire, Job, Schedule
from tasks.models.backfill import BackfillState, Reprocess
from tasks.models.fire import Verdict
from tasks.scheduler import Scheduler
from tasks.schedules import backfilling
from tasks.schedules.backfilling import Backfilling, job_id_of
from tasks.schedules.past import Past
from tasks.states import State
from tests.engine import client, waiting
from tests.timetable import DAY, NOW, create_backfill, create_fire, create_schedule

pytestmark = pytest.mark.django_db(transaction=True)

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)

#: The moments of the three days before NOW, at 09:00, and when they are filled in.
MOMENTS = [NOW + HOUR - day * DAY for day in (3, 2, 1)]
LATER = NOW + timedelta(minutes=10)


def step(now: datetime) -> int:
    """Let a scheduler that has just begun do its part."""
    return Backfilling().step(now)


def filled(backfill: Backfill) -> list[datetime]:
    """Return the moments of which jobs came, in the order of their submission."""
    fires = backfill.fires.exclude(job_key="").order_by("pk")
    return list(fires.values_list("due_at", flat=True))


def end_jobs(state: State = State.FINISHED) -> None:
    Job.objects.update(state=state)


class TestSubmitting:
    def test_moments_become_jobs_and_fires(self) -> None:
        schedule = create_schedule(queue="nights", retries=3, tags=["night"])
        backfill = create_backfill(schedule, at_once=3)
        assert step(LATER) == 3
        assert filled(backfill) == MOMENTS
        fire = backfill.fires.get(due_at=MOMENTS[0])
        assert (fire.verdict, fire.decided_at) == (Verdict.RAN, LATER)
        assert fire.schedule == schedule
        job = Job.objects.get(pk=fire.job_key)
        assert job.pk == job_id_of(backfill, MOMENTS[0])
        assert (job.task, job.kwargs) == ("tests.sample.add", {"a": 1})
        assert (job.queue, job.retries, job.tags) == ("nights", 3, ["night"])
        assert job.submitted_by == "schedule · nightly"
        assert sorted(waiting("nights")) == sorted(
            Job.objects.values_list("pk", flat=True)
        )

    def test_no_more_go_on_at_once_than_may(self) -> None:
        backfill = create_backfill(create_schedule(), at_once=2)
        assert [step(LATER) for _time in range(3)] == [2, 0, 0]
        Job.objects.filter(pk=job_id_of(backfill, MOMENTS[0])).update(
            state=State.FAILED
        )
        assert [step(LATER) for _time in range(3)] == [1, 0, 0]
        assert filled(backfill) == MOMENTS

    def test_a_job_that_the_ledger_has_forgotten_has_ended(self) -> None:
        create_backfill(create_schedule(), at_once=1)
        step(LATER)
        Job.objects.all().delete()
        assert step(LATER) == 1

    def test_the_newest_come_first_where_that_is_wanted(self) -> None:
        backfill = create_backfill(create_schedule(), newest_first=True, at_once=1)
        for _moment in MOMENTS:
            step(LATER)
            end_jobs()
        assert filled(backfill) == MOMENTS[::-1]

    def test_it_is_done_when_its_last_job_has_ended(self) -> None:
        create_backfill(create_schedule(), at_once=5)
        for _time in range(2):
            step(LATER)
        assert Backfill.objects.get().state == BackfillState.RUNNING
        end_jobs()
        step(LATER + SECOND)
        done = Backfill.objects.get()
        assert (done.state, done.ended_at) == (BackfillState.DONE, LATER + SECOND)
        assert done.total == 3

    def test_many_moments_take_many_steps(self, monkeypatch: Any) -> None:
        monkeypatch.setattr(backfilling, "MOST_JOBS", 2)
        backfill = create_backfill(create_schedule(), at_once=10)
        assert [step(LATER), step(LATER), step(LATER)] == [2, 1, 0]
        assert filled(backfill) == MOMENTS

    @pytest.mark.parametrize("newest_first", [False, True])
    def test_what_is_passed_over_takes_no_room(
        self, monkeypatch: pytest.MonkeyPatch, newest_first: bool
    ) -> None:
        monkeypatch.setattr(Past.following, "__defaults__", (1,))
        schedule = create_schedule()
        for due_at in MOMENTS[:2]:
            create_fire(schedule, due_at, state=State.FINISHED)
        backfill = create_backfill(schedule, at_once=1, newest_first=newest_first)
        assert sum(step(LATER) for _time in range(4)) == 1
        assert filled(backfill) == MOMENTS[2:]

    @pytest.mark.parametrize("state", ["paused", "aborted", "done"])
    def test_only_those_that_run_go_on(self, state: str) -> None:
        create_backfill(create_schedule(), state=state)
        assert step(LATER) == 0
        assert not Fire.objects.exists()

    def test_it_is_a_chore_of_the_scheduler(self) -> None:
        create_backfill(create_schedule(enabled=False))
        Scheduler().step()
        assert Job.objects.count() == 1

    def test_with_nothing_to_do_it_asks_once(self) -> None:
        create_backfill(create_schedule(), state=BackfillState.PAUSED)
        with CaptureQueriesContext(connection) as queries:
            step(LATER)
        assert len(queries) == 1

    def test_busy_ones_cost_two_queries_however_many(self) -> None:
        for name in ("a", "b", "c"):
            create_backfill(create_schedule(name))
        step(LATER)
        with CaptureQueriesContext(connection) as queries:
            assert step(LATER) == 0
        assert len(queries) == 2


class TestMeanwhile:
    def test_what_ran_since_is_not_run_again(self) -> None:
        schedule = create_schedule()
        backfill = create_backfill(schedule, at_once=1)
        step(LATER)
        create_fire(schedule, MOMENTS[1], state=State.FINISHED)
        end_jobs()
        for _time in range(3):
            step(LATER)
            end_jobs()
        assert filled(backfill) == [MOMENTS[0], MOMENTS[2]]
        done = Backfill.objects.get()
        assert (done.state, done.total) == (BackfillState.DONE, 2)

    def test_what_the_schedule_has_not_decided_is_left_to_it(self) -> None:
        schedule = create_schedule(now=MOMENTS[1])
        create_backfill(schedule)
        assert schedule.next_due_at == MOMENTS[2]
        assert step(LATER) == 0
        Schedule.objects.update(next_due_at=MOMENTS[2] + DAY)
        assert step(LATER) == 1

    def test_one_that_another_scheduler_has_finished_with_is_left_alone(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        backfill = create_backfill(create_schedule(), at_once=3)
        lock = backfilling._lock

        def be_slow(number: int) -> Backfill | None:
            Backfill.objects.update(state=BackfillState.PAUSED)
            return lock(number)

        monkeypatch.setattr(backfilling, "_lock", be_slow)
        assert step(LATER) == 0
        assert filled(backfill) == []

    def test_another_scheduler_leaves_no_room(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Both see room at first; the later one sees, under the lock, that there is none."""
        backfill = create_backfill(create_schedule(), at_once=2)
        lock, others = backfilling._lock, [1]

        def be_slow(number: int) -> Backfill | None:
            if others.pop():
                others.append(0)
                assert step(LATER) == 2
            return lock(number)

        monkeypatch.setattr(backfilling, "_lock", be_slow)
        assert step(LATER) == 0
        assert filled(backfill) == MOMENTS[:2]

    def test_a_job_that_is_there_already_is_not_made_again(self) -> None:
        backfill = create_backfill(create_schedule(), at_once=3)
        step(LATER)
        jobs = set(Job.objects.values_list("pk", flat=True))
        # As after a ledger was brought back in part.
        Fire.objects.all().delete()
        Backfill.objects.update(cursor=None, unended=[])
        step(LATER)
        assert set(Job.objects.values_list("pk", flat=True)) == jobs
        assert filled(backfill) == MOMENTS

    def test_all_ran_again_where_that_is_wanted(self) -> None:
        schedule = create_schedule()
        create_fire(schedule, MOMENTS[0], state=State.FINISHED)
        backfill = create_backfill(schedule, at_once=3, reprocess=Reprocess.ALL)
        assert step(LATER) == 3
        assert filled(backfill) == MOMENTS


class TestTrouble:
    def test_refused_moments_say_why_and_the_others_go_on(self) -> None:
        broken = create_backfill(
            create_schedule("broken", kwargs={"a": "x"}), at_once=3
        )
        sound = create_backfill(create_schedule("sound"), at_once=3)
        assert step(LATER) == 3
        fires = list(broken.fires.all())
        assert {fire.verdict for fire in fires} == {Verdict.REFUSED}
        assert {fire.reason for fire in fires} == {"arguments"}
        assert len(fires) == 3
        assert filled(sound) == MOMENTS

    def test_one_whose_rule_no_longer_works_is_paused_and_says_why(self) -> None:
        schedule = create_schedule()
        create_backfill(schedule)
        sound = create_backfill(create_schedule("sound"), at_once=3)
        Schedule.objects.filter(pk=schedule.pk).update(zone="Mars/Olympus")
        assert step(LATER) == 3
        assert Backfill.objects.get(schedule=schedule).state == BackfillState.PAUSED
        entry = Audit.objects.get()
        assert (entry.verb, entry.target) == ("backfill.pause", "nightly")
        assert "Mars/Olympus" in entry.result
        assert filled(sound) == MOMENTS

    def test_a_full_redis_decides_nothing(self, full_redis: None) -> None:
        backfill = create_backfill(create_schedule())
        assert step(LATER) == 0
        assert filled(backfill) == []
        assert Backfill.objects.get().cursor is None

    def test_jobs_are_kept_while_redis_is_away(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_jobs: Any, **_more: Any) -> None:
            raise BrokerUnavailable("gone")

        create_backfill(create_schedule(), at_once=3)
        monkeypatch.setattr(broker_push, "push", refuse)
        assert step(LATER) == 3
        assert Job.objects.in_state(State.CREATED).count() == 3
        assert not client().keys("rq:job:*")

    def test_a_step_that_fails_leaves_nothing_but_a_pause(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_portion: Any) -> None:
            raise RuntimeError("never foreseen")

        backfill = create_backfill(create_schedule(), at_once=3)
        with monkeypatch.context() as patched:
            patched.setattr(backfilling._Portion, "move_on", fail)
            assert step(LATER) == 0
        assert not Fire.objects.exists()
        assert not Job.objects.exists()
        assert waiting() == []
        assert "never foreseen" in Audit.objects.get().result
        Backfill.objects.update(state=BackfillState.RUNNING)
        assert step(LATER) == 3
        assert filled(backfill) == MOMENTS

    def test_a_ledger_that_is_away_pauses_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_portion: Any) -> None:
            raise OperationalError("locked")

        create_backfill(create_schedule())
        monkeypatch.setattr(backfilling._Portion, "move_on", fail)
        with pytest.raises(OperationalError):
            step(LATER)
        assert Backfill.objects.get().state == BackfillState.RUNNING
