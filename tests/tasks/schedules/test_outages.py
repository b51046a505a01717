"""What becomes of moments that passed while nobody looked."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tasks.models import Fire, Job, Schedule
from tasks.models.fire import Verdict
from tasks.models.schedule import Kind, Misfire
from tasks.schedules.fires import Firing
from tasks.schedules.pace import JOBS_A_SECOND
from tests.timetable import DAY, NOW, create_schedule

pytestmark = pytest.mark.django_db

#: When the schedules of tests are due first.
DUE = NOW + timedelta(hours=1)

SECOND = timedelta(seconds=1)


def verdicts(schedule: Schedule) -> list[str]:
    rows = Fire.objects.filter(schedule=schedule).order_by("due_at")
    return list(rows.values_list("verdict", flat=True))


def fire_until_done(now: datetime) -> None:
    """Let a new scheduler do all that is due at a moment."""
    firing = Firing()
    while firing.step(now) <= now:
        pass


def down_for_three_days(**fields: object) -> Schedule:
    schedule = create_schedule(**fields)
    fire_until_done(DUE + 2 * DAY + timedelta(hours=1))
    return schedule


@pytest.mark.parametrize(
    ("misfire", "expected"),
    [
        (Misfire.SKIP, ["missed", "missed", "missed"]),
        (Misfire.ONCE, ["missed", "missed", "late"]),
        (Misfire.ALL, ["late", "late", "late"]),
    ],
)
def test_what_was_missed_is_as_the_schedule_says(
    misfire: Misfire, expected: list[str]
) -> None:
    schedule = down_for_three_days(misfire=misfire)
    assert verdicts(schedule) == expected
    assert Job.objects.count() == expected.count("late") == Schedule.objects.get().fired
    assert Schedule.objects.get().next_due_at == DUE + 3 * DAY


def test_what_was_missed_is_made_up_for_one_after_the_other() -> None:
    down_for_three_days(misfire=Misfire.ALL)
    starts = list(Job.objects.order_by("due_at").values_list("due_at", flat=True))
    assert starts[1] - starts[0] == starts[2] - starts[1] == SECOND / JOBS_A_SECOND


def test_a_schedule_of_each_second_writes_a_thousand_rows_of_an_hour() -> None:
    schedule = create_schedule(
        kind=Kind.EVERY, every=1, expression="", misfire=Misfire.SKIP
    )
    fire_until_done(NOW + timedelta(hours=1))
    missed = Fire.objects.filter(schedule=schedule, verdict=Verdict.MISSED)
    assert missed.count() == 1_000
    assert sum(missed.values_list("count", flat=True)) == 3_600 - 61
    assert verdicts(schedule).count("ran") == 61


def test_what_is_in_time_after_an_outage_is_spread_as_well() -> None:
    create_schedule(kind=Kind.EVERY, every=1, expression="")
    Firing().step(NOW + 30 * SECOND)
    spread = Job.objects.exclude(due_at=None).count()
    assert (Job.objects.count(), spread) == (30, 24)


def test_a_scheduler_that_always_looked_spreads_nothing() -> None:
    firing = Firing()
    for number in range(-1, 8):  # it has much to do: each look takes a second
        firing.step(NOW + number * SECOND)
    create_schedule(kind=Kind.EVERY, every=3600, expression="", now=NOW - SECOND)
    firing.step(NOW + 8 * SECOND)
    assert Job.objects.get().due_at is None
