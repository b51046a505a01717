"""Daily and frequent expressions beside what the clocks of six zones really do."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from tasks.schedules.cron import Cron
from tests.tasks.schedules.wall_clocks import Window

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)

#: Zones, the years of which each change is looked at, and how many there are. Beyond 2020
#: to 2030: midnights that do not exist, a day that does not, an hour left out at the end
#: of a day.
ZONES = [
    ("Asia/Shanghai", range(2020, 2031), 0),
    ("Europe/Berlin", range(2020, 2031), 22),
    ("America/New_York", range(2020, 2031), 22),
    ("America/Sao_Paulo", range(2020, 2031), 0),
    ("Australia/Lord_Howe", range(2020, 2031), 22),
    ("Pacific/Apia", range(2020, 2031), 3),
    ("America/Sao_Paulo", range(2017, 2020), 5),
    ("Pacific/Apia", range(2011, 2013), 5),
    ("America/Nuuk", range(2024, 2027), 6),
]

HALF_HOURS = [time(hour, minute) for hour in range(24) for minute in (0, 30)]

#: Expressions that fire at each real moment, and the wall times that they mean.
FREQUENT: list[tuple[str, Callable[[datetime], bool]]] = [
    ("*/15 * * * *", lambda at: at.minute % 15 == 0),
    ("35 * * * *", lambda at: at.minute == 35),
    ("*/10 1-3 * * *", lambda at: at.minute % 10 == 0 and at.hour in (1, 2, 3)),
    ("0 */2 * * *", lambda at: at.minute == 0 and at.hour % 2 == 0),
    ("*/30 0 * * *", lambda at: at.minute % 30 == 0 and at.hour == 0),
    ("0 45 * * * *", lambda at: at.minute == 45),
]


def changes(zone: ZoneInfo, years: range) -> Iterator[datetime]:
    at = datetime(years[0], 1, 1, tzinfo=UTC)
    while at.year <= years[-1]:
        if at.astimezone(zone).utcoffset() != (at + HOUR).astimezone(zone).utcoffset():
            yield at
        at += HOUR


def windows(name: str, years: range, number: int) -> list[Window]:
    """Return those around each change, and around each new year."""
    zone = ZoneInfo(name)
    found = list(changes(zone, years))
    assert len(found) == number
    found += [datetime(year, 1, 1, tzinfo=UTC) for year in years]
    return [Window(zone, at) for at in found]


@pytest.mark.parametrize(("name", "years", "number"), ZONES)
def test_a_daily_schedule_fires_once_on_each_local_day(
    name: str, years: range, number: int
) -> None:
    for window in windows(name, years, number):
        draw = random.Random(f"{name} {window.middle}")
        for clock in HALF_HOURS + [random_time(draw) for _number in range(12)]:
            expected = [window.expected(day, clock) for day in window.days]
            fired = window.fired(f"{clock.second} {clock.minute} {clock.hour} * * *")
            assert fired == expected, (name, window.middle, clock)
            if not clock.second:
                assert window.fired(f"{clock.minute} {clock.hour} * * *") == expected


def random_time(draw: random.Random) -> time:
    return time(draw.randrange(24), draw.randrange(60), draw.randrange(60))


@pytest.mark.parametrize(("name", "years", "number"), ZONES)
def test_a_frequent_schedule_fires_at_each_real_moment(
    name: str, years: range, number: int
) -> None:
    for window in windows(name, years, number):
        first, end = window.span
        for expression, matches in [*FREQUENT, ("* * * * *", lambda _at: True)]:
            expected = [
                at for at, wall in window.minutes if first <= at < end and matches(wall)
            ]
            assert window.fired(expression) == expected, (window.middle, expression)


@pytest.mark.parametrize(("name", "years", "number"), ZONES)
def test_moments_are_counted_as_they_fire(name: str, years: range, number: int) -> None:
    expressions = [expression for expression, _matches in FREQUENT]
    for window in windows(name, years, number):
        draw = random.Random(f"{name} {window.middle}")
        for expression in [
            *expressions,
            "30 2 * * *",
            "0,30 0-3,23 * * *",
            "0 0 * * 1",
        ]:
            fired = window.fired(expression)
            low, high = sorted(draw.sample(range(4 * 24 * 3600), 2))
            after, until = (window.span[0] + at * SECOND for at in (low, high))
            until = min(until, window.span[1] - SECOND)
            counted = Cron.parse(expression).count(after, until, window.zone)
            assert counted == sum(after < at <= until for at in fired), expression


def test_from_any_moment_the_next_one_is_the_same() -> None:
    """Asked again after each minute around a change, a walk never goes back."""
    window = Window(
        ZoneInfo("Australia/Lord_Howe"), datetime(2026, 4, 4, 15, tzinfo=UTC)
    )
    for expression in ("45 1 * * *", "*/20 1 * * *", "0,30 1-2 * * *"):
        fired = window.fired(expression)
        for after, _wall in window.minutes:
            if window.span[0] <= after < fired[-1]:
                expected = next(at for at in fired if at > after)
                found = next(Cron.parse(expression).after(after, window.zone))
                assert found == expected, (expression, after)
