"""Each zone that there is, around one change of its clocks between 2020 and 2030.

Zones whose clocks showed the same in each month of these years are looked at once.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from tasks.schedules.zones import zone_names
from tests.tasks.schedules.wall_clocks import Window

DAY = timedelta(days=1)
YEARS = range(2020, 2031)

Offsets = tuple[timedelta | None, ...]


def offset(zone: ZoneInfo, moment: datetime) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()


def behaviour(zone: ZoneInfo) -> Offsets:
    """Return what the clocks are ahead of UTC in each month."""
    months = ((year, month) for year in YEARS for month in range(1, 13))
    return tuple(offset(zone, datetime(*month, 1, tzinfo=UTC)) for month in months)


def some_change(zone: ZoneInfo, draw: random.Random) -> datetime:
    """Return a day after which the clocks have changed, or any day."""
    begin = datetime(draw.choice(YEARS), 1, 1, tzinfo=UTC)
    days = [begin + number * DAY for number in range(2, 362)]
    found = [day for day in days if offset(zone, day) != offset(zone, day + DAY)]
    return draw.choice(found or days)


@cache
def windows() -> list[Window]:
    return list(distinct_windows())


def distinct_windows() -> Iterator[Window]:
    draw = random.Random(20)
    seen = set()
    for name in sorted(zone_names()):
        zone = ZoneInfo(name)
        if (shown := behaviour(zone)) not in seen:
            seen.add(shown)
            yield Window(zone, some_change(zone, draw))


def test_a_daily_schedule_fires_once_on_each_local_day_of_any_zone() -> None:
    draw = random.Random(21)
    assert len(windows()) > 70
    for window in windows():
        for hour in (*range(4), *draw.sample(range(4, 24), 4)):
            clock = time(hour, draw.choice([0, 15, 30, 59]))
            expected = [window.expected(day, clock) for day in window.days]
            fired = window.fired(f"{clock.minute} {clock.hour} * * *")
            assert fired == expected, (window.zone, window.middle, clock)


def test_an_hourly_schedule_fires_at_each_real_hour_of_any_zone() -> None:
    for window in windows():
        first, end = window.span
        real = [at for at, wall in window.minutes if wall.minute == 40]
        expected = [at for at in real if first <= at < end]
        assert window.fired("40 * * * *") == expected, (window.zone, window.middle)
