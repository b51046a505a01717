"""What a rule repeats, before any calendar: moments in UTC, in order and countable."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import takewhile
from typing import Protocol
from zoneinfo import ZoneInfo

from tasks.schedules.cron import Cron
from tasks.schedules.zones import END, TICK, place, start_of

_DAY = timedelta(days=1)


class Beat(Protocol):
    """Moments, however many: neither method takes time by their number."""

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the moments strictly after one."""

    def count(self, after: datetime, until: datetime) -> int:
        """Return how many moments lie after one and not after the other."""


@dataclass(frozen=True)
class CronBeat:
    """The moments of a cron expression in a zone."""

    cron: Cron
    zone: ZoneInfo

    def after(self, moment: datetime) -> Iterator[datetime]:
        return self.cron.after(moment, self.zone)

    def count(self, after: datetime, until: datetime) -> int:
        return self.cron.count(after, until, self.zone)

    def fires_on(self, day: date) -> bool:
        return self.cron.fires_on(day)

    def on(self, day: date) -> list[tuple[time, datetime]]:
        """Return the times of a day that fire, as its clocks show them, and when.

        What the clocks leave out until midnight fires as the day after begins, and is
        still a time of this day.
        """
        begin, end = start_of(day, self.zone), start_of(day + _DAY, self.zone)
        if begin == end:  # the zone left the day out
            return []
        if not self.cron.is_fixed:
            walk = takewhile(lambda at: at < end, self.after(begin - TICK))
            return [(at.astimezone(self.zone).time(), at) for at in walk]
        found: dict[datetime, time] = {}
        for clock in self.cron.times_on(day):
            found.setdefault(place(datetime.combine(day, clock), self.zone), clock)
        return [(clock, at) for at, clock in found.items()]

    def on_every_day(self) -> CronBeat:
        return CronBeat(self.cron.on_every_day, self.zone)


@dataclass(frozen=True)
class Interval:
    """`anchor` + k × `every`, k from 0 on: computed, so it cannot drift."""

    anchor: datetime
    every: timedelta

    def after(self, moment: datetime) -> Iterator[datetime]:
        for number in itertools.count(self._number_until(moment)):
            due_at = self.anchor + number * self.every
            if due_at >= END:
                return
            yield due_at

    def count(self, after: datetime, until: datetime) -> int:
        return max(0, self._number_until(until) - self._number_until(after))

    def _number_until(self, moment: datetime) -> int:
        return max(0, (moment - self.anchor) // self.every + 1)


@dataclass(frozen=True)
class Single:
    """One moment, or none."""

    at: datetime | None

    def after(self, moment: datetime) -> Iterator[datetime]:
        if self.at is not None and self.at > moment:
            yield self.at

    def count(self, after: datetime, until: datetime) -> int:
        return int(self.at is not None and after < self.at <= until)
