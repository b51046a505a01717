"""What becomes of moments that came due before a schedule is changed."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest

from tasks.models import Fire, Job, Schedule
from tasks.models.fire import Verdict
from tasks.models.schedule import Kind
from tasks.schedules import fires
from tasks.schedules.fires import Firing, settle
from tasks.schedules.moments import jitter_of
from tasks.schedules.plans import PLANNED, plan
from tests.timetable import DAY, NOW, create_calendar, create_schedule

pytestmark = pytest.mark.django_db

DUE = NOW + timedelta(hours=1)

SECOND = timedelta(seconds=1)


def change(schedule: Schedule, now: datetime, **fields: Any) -> None:
    """Change a schedule as its one door does."""
    settle(schedule, now)
    for name, value in fields.items():
        setattr(schedule, name, value)
    plan(schedule, now)
    schedule.version += 1
    schedule.save(update_fields=[*fields, *PLANNED, "version"])


def test_what_came_due_just_before_a_change_is_fired_by_the_old_rule() -> None:
    schedule = create_schedule()
    change(schedule, DUE + SECOND / 2, expression="0 10 * * *")
    fire = Fire.objects.get()
    assert (fire.due_at, fire.verdict) == (DUE, Verdict.RAN)
    assert Job.objects.count() == 1
    Firing().step(DUE + SECOND)
    assert Fire.objects.count() == 1
    schedule.refresh_from_db()
    assert schedule.next_due_at == DUE + timedelta(hours=1)


def test_moments_of_the_new_rule_in_the_past_are_none() -> None:
    schedule = create_schedule(expression="0 18 * * *")
    change(schedule, DUE + timedelta(hours=3), expression="0 9 * * *")
    Firing().step(DUE + timedelta(hours=4))
    assert not Fire.objects.exists()
    assert schedule.next_due_at == DUE + DAY


def test_a_moment_that_waits_for_its_share_of_the_jitter_is_not_lost() -> None:
    schedule = create_schedule(jitter=600, id=uuid.UUID(int=7))
    share = jitter_of(schedule)
    assert share > SECOND
    change(schedule, DUE + SECOND, jitter=0)
    Firing().step(DUE + 2 * SECOND)
    assert Fire.objects.get().due_at == DUE


def test_a_day_off_that_no_scheduler_noted_yet_is_not_lost() -> None:
    off = NOW.date().isoformat()
    schedule = create_schedule(
        kind=Kind.EVERY, every=10, calendar=create_calendar(off=[off])
    )
    change(schedule, NOW + 25 * SECOND, every=20)
    rows = Fire.objects.order_by("due_at").values_list("due_at", "verdict")
    assert list(rows) == [
        (NOW + 10 * SECOND, Verdict.EXCLUDED),
        (NOW + 20 * SECOND, Verdict.EXCLUDED),
    ]
    change(schedule, NOW + 30 * SECOND, every=30)
    assert Fire.objects.count() == 2


def test_moments_while_it_was_disabled_are_one_row() -> None:
    schedule = create_schedule()
    change(schedule, NOW, enabled=False)
    Firing().step(DUE + 5 * DAY)
    assert not Fire.objects.exists()
    change(schedule, DUE + 5 * DAY, enabled=True)
    fire = Fire.objects.get()
    assert (fire.verdict, fire.count, fire.reason) == ("paused", 6, "disabled")
    assert fire.due_at == DUE + 5 * DAY
    Firing().step(DUE + 6 * DAY)
    assert Fire.objects.filter(verdict=Verdict.RAN).get().due_at == DUE + 6 * DAY
    assert Fire.objects.count() == 2


def test_disabled_without_a_moment_writes_nothing() -> None:
    schedule = create_schedule()
    change(schedule, NOW, enabled=False)
    change(schedule, NOW + SECOND, enabled=True)
    assert not Fire.objects.exists()
    assert schedule.next_due_at == DUE


def test_one_that_is_disabled_has_nothing_to_come() -> None:
    schedule = create_schedule()
    change(schedule, DUE + SECOND, enabled=False)
    schedule.refresh_from_db()
    assert (schedule.next_at, schedule.next_due_at, schedule.look_at) == (None,) * 3
    assert Fire.objects.get().verdict == Verdict.RAN


def test_a_schedule_that_cannot_be_decided_can_be_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def explode(schedule: Schedule, *_given: Any) -> Any:
        schedule.fired += 1
        raise RuntimeError("odd")

    schedule = create_schedule()
    monkeypatch.setattr(fires, "make_draft", explode)
    change(schedule, DUE + SECOND, expression="0 10 * * *")
    assert schedule.fired == 0
    schedule.refresh_from_db()
    assert schedule.expression == "0 10 * * *"


def test_a_zone_that_is_gone_can_be_changed() -> None:
    schedule = create_schedule()
    Schedule.objects.update(zone="Nowhere/Land")
    schedule.refresh_from_db()
    change(schedule, DUE + SECOND, zone="Europe/Berlin")
    assert Fire.objects.get().verdict == Verdict.REFUSED
    assert schedule.next_due_at == DUE - timedelta(hours=1) + DAY


def test_after_it_was_disabled_a_run_that_follows_an_end_comes_at_once() -> None:
    schedule = create_schedule(kind=Kind.AFTER, every=60, expression="")
    change(schedule, NOW, enabled=False)
    change(schedule, DUE, enabled=True)
    assert schedule.next_due_at is not None
    assert timedelta() <= schedule.next_due_at - DUE < SECOND
