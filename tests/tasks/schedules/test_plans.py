"""When a schedule is due next, as its row says."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tasks.models import Schedule
from tasks.models.schedule import Kind
from tasks.schedules.moments import jitter_of
from tasks.schedules.plans import plan
from tasks.states import State
from tests.timetable import DAY, NOW, create_calendar, create_fire, create_schedule

pytestmark = pytest.mark.django_db

DUE = NOW + timedelta(hours=1)


def test_the_next_moment_is_the_first_after_now() -> None:
    schedule = create_schedule()
    assert schedule.next_due_at == schedule.next_at == schedule.look_at == DUE
    plan(schedule, DUE)
    assert schedule.next_due_at == DUE + DAY


def test_what_was_decided_is_not_due_again() -> None:
    schedule = create_schedule()
    schedule.cursor = DUE + DAY
    plan(schedule, NOW)
    assert schedule.next_due_at == DUE + 2 * DAY


def test_the_share_of_the_jitter_is_the_same_each_time() -> None:
    schedule = create_schedule(jitter=3600)
    share = jitter_of(schedule)
    for day in range(3):
        assert schedule.next_at == DUE + day * DAY + share
        plan(schedule, DUE + day * DAY + share)


def test_one_that_is_disabled_has_nothing_to_come() -> None:
    schedule = create_schedule(enabled=False)
    places = (schedule.next_due_at, schedule.next_at, schedule.look_at)
    assert places == (None, None, None)
    assert schedule.cursor == NOW


def test_one_that_has_run_as_often_as_it_may_has_nothing_to_come() -> None:
    assert create_schedule(most_fires=3, fired=3).next_at is None
    assert create_schedule("other", most_fires=3, fired=2).next_at == DUE


def test_a_moment_that_passed_is_not_to_come() -> None:
    fields = {"kind": Kind.ONCE, "expression": ""}
    assert create_schedule("past", at=NOW, **fields).next_at is None
    assert create_schedule("coming", at=DUE, **fields).next_at == DUE


def test_a_day_off_before_the_next_run_is_looked_at() -> None:
    schedule = create_schedule(calendar=create_calendar(off=["2026-03-10"]))
    assert (schedule.look_at, schedule.next_at) == (DUE, DUE + DAY)


def test_a_calendar_that_is_not_kept_to_changes_nothing() -> None:
    calendar = create_calendar(off=["2026-03-10"])
    schedule = create_schedule(calendar=calendar, on_day_off="run")
    assert schedule.look_at == schedule.next_at == DUE


def test_days_off_without_an_end_end_the_search() -> None:
    calendar = create_calendar(weekends=[0])
    schedule = create_schedule(calendar=calendar, expression="0 9 * * 1")
    assert schedule.next_at is None
    assert schedule.look_at == DUE + 6 * DAY


def test_the_end_of_the_last_job_is_awaited() -> None:
    schedule = create_schedule(kind=Kind.AFTER, every=60, expression="")
    job_id = create_fire(schedule, NOW, state=State.STARTED).job_key
    plan(schedule, DUE)
    assert (schedule.awaits, schedule.next_at) == (job_id, None)


def test_a_run_that_follows_ends_begins_when_it_may() -> None:
    schedule = create_schedule(kind=Kind.AFTER, every=60, expression="", starts_at=DUE)
    assert schedule.next_due_at == DUE


def test_schedules_that_should_have_run_are_overdue() -> None:
    create_schedule("late")
    create_schedule("in time", expression="0 10 * * *")
    create_schedule("disabled", enabled=False)
    create_schedule("looked at", calendar=create_calendar(off=["2026-03-10"]))
    overdue = Schedule.objects.overdue(DUE + timedelta(minutes=1))
    assert [schedule.name for schedule in overdue] == ["late"]
