"""What the clocks of a zone really show, minute by minute: an oracle for expressions.

It is the wall time of every minute, as zoneinfo tells it; it knows nothing of cron and
nothing of where clocks change.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from itertools import takewhile
from zoneinfo import ZoneInfo

from tasks.schedules.cron import Cron

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
TWO_DAYS = timedelta(days=2)


@dataclass(frozen=True)
class Window:
    """What the clocks show in each minute of the days around a moment."""

    zone: ZoneInfo
    middle: datetime

    @cached_property
    def minutes(self) -> list[tuple[datetime, datetime]]:
        first = self.middle - TWO_DAYS
        moments = (first + number * MINUTE for number in range(4 * 24 * 60))
        return [(at, at.astimezone(self.zone).replace(tzinfo=None)) for at in moments]

    @cached_property
    def begins(self) -> dict[date, datetime]:
        """When each day begins that lies in the window whole, and the day after it."""
        found: dict[date, datetime] = {}
        for at, wall in self.minutes:
            found.setdefault(wall.date(), at)
        return dict(list(found.items())[1:])

    @property
    def days(self) -> list[date]:
        return list(self.begins)[:-1]

    @property
    def span(self) -> tuple[datetime, datetime]:
        moments = list(self.begins.values())
        return moments[0], moments[-1]

    @cached_property
    def first_shown(self) -> dict[datetime, datetime]:
        """When each wall time is shown for the first time."""
        return {wall: at for at, wall in reversed(self.minutes)}

    def expected(self, day: date, clock: time) -> datetime:
        """Return when a daily schedule fires on a day that exists."""
        wall = datetime.combine(day, clock)
        shown = self.first_shown.get(wall.replace(second=0))
        if shown is not None:
            return shown + clock.second * SECOND
        return next(at for at, later in self.minutes if later > wall)

    def fired(self, expression: str) -> list[datetime]:
        first, end = self.span
        moments = Cron.parse(expression).after(first - SECOND, self.zone)
        return list(takewhile(lambda at: at < end, moments))
