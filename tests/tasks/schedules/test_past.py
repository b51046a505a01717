"""The moments of a range: over changes of clocks, days off, in both orders."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tasks.models import Schedule
from tasks.models.backfill import Reprocess
from tasks.schedules import past
from tasks.schedules.backfill import dry_run
from tasks.schedules.days_off import Moment
from tasks.schedules.past import Past
from tests.tasks.schedules.samples import at
from tests.timetable import create_calendar, create_schedule

pytestmark = pytest.mark.django_db

#: Berlin's clocks leave out 2:00 to 3:00 on 29 March 2026, and show it twice on
#: 26 October 2025.
SPRING = (at("2026-03-28T00:00+01:00"), at("2026-03-31T00:00+02:00"))
AUTUMN = (at("2025-10-25T00:00+02:00"), at("2025-10-28T00:00+01:00"))


def in_berlin(expression: str, **fields: object) -> Schedule:
    now = datetime(2026, 4, 1, tzinfo=UTC)
    return create_schedule(
        now=now, expression=expression, zone="Europe/Berlin", **fields
    )


def moments(schedule: Schedule, first: datetime, last: datetime) -> Iterator[Moment]:
    """Return what a backfill would run; backwards it is the same."""
    forwards = dry_run(schedule, first, last)
    backwards = dry_run(schedule, first, last, newest_first=True)
    assert backwards.moments == forwards.moments[::-1]
    assert backwards.total == forwards.total == len(forwards.moments)
    return iter(forwards.moments)


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (SPRING, ["03-28T01:30", "03-29T01:00", "03-30T00:30"]),
        (AUTUMN, ["10-25T00:30", "10-26T00:30", "10-27T01:30"]),
    ],
)
def test_each_day_has_one_whatever_its_clocks_do(
    span: tuple[datetime, datetime], expected: list[str]
) -> None:
    found = moments(in_berlin("30 2 * * *"), *span)
    assert [f"{one.due_at:%m-%dT%H:%M}" for one in found] == expected


@pytest.mark.parametrize(("span", "hours"), [(SPRING, 71), (AUTUMN, 73)])
def test_each_hour_that_passed_has_one(
    span: tuple[datetime, datetime], hours: int
) -> None:
    found = [one.due_at for one in moments(in_berlin("0 * * * *"), *span)]
    assert found == [span[0] + n * timedelta(hours=1) for n in range(hours)]


def test_days_off_move_a_moment_into_the_range_or_out_of_it() -> None:
    calendar = create_calendar(weekends=[5, 6])
    schedule = in_berlin("0 9 * * 6", calendar=calendar, on_day_off="next")
    saturday, monday, tuesday = (
        at(f"2026-03-{day:02}T00:00+01:00") for day in (7, 9, 10)
    )
    assert list(moments(schedule, saturday, monday)) == []
    [moved] = moments(schedule, monday, tuesday)
    assert moved.due_at == at("2026-03-09T09:00+01:00")
    assert moved.nominal_at == at("2026-03-07T09:00+01:00")


@pytest.mark.parametrize("newest_first", [False, True])
def test_portions_have_each_moment_once(
    newest_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Past.following, "__defaults__", (7,))
    found = Past(in_berlin("0 * * * *"), *SPRING, Reprocess.ALL, newest_first)
    portions = list(found.portions())
    assert {len(portion) for portion in portions[:-1]} == {7}
    due = [one.due_at for portion in portions for one in portion]
    assert len(due) == len(set(due)) == 71
    assert due == sorted(due, reverse=newest_first)


def test_a_range_of_which_nothing_is_due_is_empty() -> None:
    found = Past(in_berlin("0 0 29 2 *"), *SPRING, Reprocess.NONE)
    assert found.count(10) == 0
    assert list(found.portions()) == []


def test_a_portion_is_no_more_than_two_queries_ask_about() -> None:
    schedule = in_berlin("* * * * *")
    [first, *_rest] = Past(schedule, *SPRING, Reprocess.FAILED).portions()
    assert len(first) == past.AT_A_TIME
