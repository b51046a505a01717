"""Schedules that count from the end of their last run."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tasks.broker import jobs as broker_jobs
from tasks.errors import BrokerUnavailable
from tasks.models import Fire, Job, Schedule
from tasks.models.fire import Verdict
from tasks.models.schedule import Kind, Misfire
from tasks.schedules.drafts import TRY_RULE_AGAIN
from tasks.schedules.endings import Endings
from tasks.schedules.fires import Firing
from tasks.states import State
from tests.timetable import NOW, create_calendar, create_schedule

pytestmark = pytest.mark.django_db

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)

#: When the first run is due, and when it ends.
FIRST, END = NOW + timedelta(milliseconds=1), NOW + 10 * MINUTE


def create_follower(**fields: object) -> Schedule:
    return create_schedule(kind=Kind.AFTER, every=300, expression="", **fields)


def run_first(**fields: object) -> Schedule:
    """Fire the first run of a schedule that goes on five minutes after each."""
    schedule = create_follower(**fields)
    Firing().step(FIRST)
    schedule.refresh_from_db()
    return schedule


def end_job(state: State = State.FINISHED) -> None:
    Job.objects.update(state=state, ended_at=END)


@pytest.mark.parametrize("columns", [{"every": 1e300}, {"jitter": 1e300}])
def test_a_row_of_nonsense_stops_no_other(columns: dict[str, float]) -> None:
    bad, good = create_follower(name="bad"), create_follower(name="good")
    Firing().step(FIRST)
    Schedule.objects.filter(pk=bad.pk).update(**columns)
    end_job()
    assert Endings().step(END + SECOND) == 2
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.next_at, bad.look_at) == (None, END + SECOND + TRY_RULE_AGAIN)
    assert good.next_due_at == END + 5 * MINUTE


def test_the_first_run_comes_at_once_and_then_its_end_is_awaited() -> None:
    schedule = run_first()
    assert Fire.objects.get().verdict == Verdict.RAN
    assert (schedule.next_at, schedule.look_at) == (None, None)
    assert schedule.awaits == Job.objects.get().id


def test_while_it_runs_nothing_is_due() -> None:
    run_first()
    assert Endings().step(NOW + 5 * MINUTE) == 0
    Firing().step(NOW + 60 * MINUTE)
    assert Fire.objects.count() == 1


@pytest.mark.parametrize("state", [State.FINISHED, State.FAILED, State.LOST])
def test_the_next_run_counts_from_the_end(state: State) -> None:
    schedule = run_first()
    end_job(state)
    assert Endings().step(END + SECOND) == 1
    schedule.refresh_from_db()
    assert (schedule.next_due_at, schedule.awaits) == (END + 5 * MINUTE, "")
    Firing().step(END + 5 * MINUTE)
    assert Fire.objects.filter(verdict=Verdict.RAN).count() == 2


def test_two_schedulers_plan_it_once() -> None:
    run_first()
    end_job()
    assert [Endings().step(END), Endings().step(END)] == [1, 0]


def test_redis_knows_of_an_end_that_is_not_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    schedule = run_first()
    ended = {schedule.awaits: State.FINISHED}
    monkeypatch.setattr(broker_jobs, "known_states", lambda _ids: ended)
    assert Endings().step(END) == 1
    schedule.refresh_from_db()
    assert schedule.next_due_at == END + 5 * MINUTE


def test_redis_is_asked_of_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        broker_jobs, "known_states", lambda ids: dict.fromkeys(asked.extend(ids) or ())
    )
    for number in range(130):
        create_follower(name=f"s{number}")
    for _portion in range(2):
        Firing().step(FIRST)
    endings = Endings()
    assert [endings.step(END), len(asked)] == [0, 100]
    assert [endings.step(END), len(set(asked))] == [0, 130]
    assert [endings.step(END), len(asked)] == [0, 230]


def test_without_redis_the_ledger_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_ids: list[str]) -> None:
        raise BrokerUnavailable("gone")

    run_first()
    monkeypatch.setattr(broker_jobs, "known_states", refuse)
    assert Endings().step(END) == 0
    end_job()
    assert Endings().step(END) == 1


def test_a_job_that_nobody_knows_any_more_has_ended() -> None:
    schedule = run_first()
    Job.objects.all().delete()
    Endings().step(END)
    schedule.refresh_from_db()
    assert schedule.next_due_at == END + 5 * MINUTE


def test_a_schedule_that_was_changed_meanwhile_is_planned_by_whoever_did(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def change_meanwhile(ids: list[str]) -> dict[str, State]:
        Schedule.objects.update(version=2)
        return dict.fromkeys(ids, State.FINISHED)

    run_first()
    monkeypatch.setattr(broker_jobs, "known_states", change_meanwhile)
    assert Endings().step(END) == 0


def test_a_run_that_is_not_wanted_late_is_put_off() -> None:
    schedule = run_first(misfire=Misfire.SKIP)
    end_job()
    Endings().step(END)
    late = END + 60 * MINUTE
    Firing().step(late)
    newest = Fire.objects.order_by("due_at").last()
    assert newest is not None
    assert (newest.verdict, newest.reason) == (Verdict.MISSED, "policy")
    schedule.refresh_from_db()
    assert schedule.next_due_at == late + 5 * MINUTE


def test_a_run_that_is_too_old_is_put_off() -> None:
    run_first(misfire_age=600)
    end_job()
    Endings().step(END)
    Firing().step(END + 60 * MINUTE)
    newest = Fire.objects.order_by("due_at").last()
    assert newest is not None
    assert (newest.verdict, newest.reason) == (Verdict.MISSED, "too_old")


def test_a_late_run_runs_late() -> None:
    run_first()
    end_job()
    Endings().step(END)
    Firing().step(END + 60 * MINUTE)
    assert Fire.objects.filter(verdict=Verdict.LATE).count() == 1


def test_after_a_refusal_it_is_tried_again_after_its_pause() -> None:
    schedule = run_first(kwargs={"colour": 7})
    assert Fire.objects.get().verdict == Verdict.REFUSED
    assert (schedule.next_due_at, schedule.awaits) == (FIRST + 5 * MINUTE, "")


def test_after_its_last_run_no_end_is_awaited() -> None:
    schedule = run_first(most_fires=1)
    assert (schedule.awaits, schedule.next_at) == ("", None)
    end_job()
    assert Endings().step(END) == 0


def test_after_its_end_nothing_is_due() -> None:
    schedule = run_first(ends_at=END)
    end_job()
    assert Endings().step(END) == 1
    schedule.refresh_from_db()
    assert (schedule.awaits, schedule.next_at) == ("", None)
    assert Endings().step(END) == 0


def test_a_day_off_puts_it_off_to_the_next_working_day() -> None:
    calendar = create_calendar(off=["2026-03-10"])
    schedule = create_follower(calendar=calendar, on_day_off="next")
    assert schedule.next_due_at is not None
    assert schedule.next_due_at.date().isoformat() == "2026-03-11"
