"""Cron expressions: when they fire, in a zone.

cronsim 2.8 reads the fields and says which dates match. What a zone does to times is
decided here: cronsim does so for five fields only, and where clocks are put back by half
an hour it leaves out times of expressions such as `35 * * * *`.

- Where neither second, minute nor hour begins with *, times are fixed. One that the
  clocks leave out fires when they are put forward, once with all others left out, and
  not at all on a day that does not exist (Apia left out 2011-12-30). One that comes
  twice fires the first time. So a daily schedule fires once per local day.
- Where one of them begins with *, every real moment whose wall time matches fires: those
  left out do not, those that come twice do twice.

A day must match both the day of the month and the weekday where one of these begins with
*, else one of them is enough, as in Debian's cron.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from tasks.errors import InvalidOption
from tasks.schedules.dialect import normalise
from tasks.schedules.zones import TICK, Stretch, stretches
from tasks.text import gettext as _

#: Within which every combination of dates and weekdays comes, before the year 2100.
_YEARS = 50

_SAMPLE_FROM = datetime(2001, 1, 1)
_SAMPLES = 500

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Cron:
    """An expression that was read; `text` is how it is kept."""

    text: str

    @staticmethod
    def parse(text: object) -> Cron:
        """Return the expression. Raises InvalidOption for the field `expression`."""
        return _parse(text) if isinstance(text, str) else Cron(normalise(text))

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The six fields: second, minute, hour, day, month, weekday."""
        given = self.text.split()
        return tuple(given if len(given) == 6 else ["0", *given])

    @cached_property
    def is_fixed(self) -> bool:
        """Whether it fires at times of the day rather than every so often."""
        return not any(field.startswith("*") for field in self.fields[:3])

    def after(self, moment: datetime, zone: ZoneInfo) -> Iterator[datetime]:
        """Yield the moments strictly after one, in order, all in UTC."""
        moment = moment.astimezone(UTC)
        for stretch, low, is_caught_up in self._pieces(moment, zone):
            if is_caught_up:
                yield stretch.begin
            high = stretch.wall_time(stretch.end)
            for wall_time in self._wall_times(low):
                if wall_time >= high:
                    break
                yield stretch.moment(wall_time)

    def count(self, after: datetime, until: datetime, zone: ZoneInfo) -> int:
        """Return how many moments lie after one and not after the other, both in UTC.

        Takes time by the number of days between them, however often it fires.
        """
        found = 0
        for stretch, low, is_caught_up in self._pieces(after, zone):
            if stretch.begin > until:
                break
            high = stretch.wall_time(min(until, stretch.end - TICK))
            found += is_caught_up + self._count_wall_times(low, high)
        return found

    def fires_on(self, day: date) -> bool:
        """Say whether the date matches."""
        return day.month in self._sim.months and self._sim.match_day(day)

    def times_on(self, day: date) -> list[time]:
        """Return the times of the clock on a date, whatever a zone makes of them."""
        numbers = range(self.times_a_day if self.fires_on(day) else 0)
        return [self._wall_time(day, number).time() for number in numbers]

    def fires_at_all(self) -> bool:
        try:
            return any(True for _day in self._days(_SAMPLE_FROM.date()))
        except CronSimError:  # such as 31 February; each field was read before
            return False

    @cached_property
    def on_every_day(self) -> Cron:
        """The same times of the day, whatever the date."""
        return Cron(" ".join([*self.fields[:3], "*", "*", "*"]))

    @property
    def dates(self) -> frozenset[int]:
        """The days of the month; CronSim.LAST and LAST_WEEKDAY stand for themselves."""
        return frozenset(self._sim.days)

    @property
    def months(self) -> frozenset[int]:
        return frozenset(self._sim.months)

    @property
    def weekdays(self) -> frozenset[int | tuple[int, int]]:
        """1 for Monday to 7 for Sunday; or a weekday and which of the month it is."""
        return frozenset(map(_from_monday, self._sim.weekdays))

    @property
    def is_either_day(self) -> bool:
        """Whether the day of the month or the weekday is enough, rather than both."""
        return not self._sim.day_and

    @cached_property
    def times_a_day(self) -> int:
        hours, minutes, seconds = self.clock
        return len(hours) * len(minutes) * len(seconds)

    def shortest_gap(self) -> timedelta:
        """Return the shortest time between two of the first 500 moments after 2001."""
        sample = islice(self._wall_times(_SAMPLE_FROM), _SAMPLES)
        gaps = (later - earlier for earlier, later in pairwise(sample))
        return min(gaps, default=_YEARS * 365 * _DAY)

    @cached_property
    def _sim(self) -> CronSim:
        return CronSim(self.text, _SAMPLE_FROM)

    @cached_property
    def clock(self) -> tuple[list[int], list[int], list[int]]:
        """The hours, minutes and seconds of its times of the day."""
        sim = self._sim
        return sorted(sim.hours), sorted(sim.minutes), sorted(sim.seconds)

    def _wall_times(self, after: datetime) -> Iterator[datetime]:
        """Yield the times of the wall clock that match, after one."""
        first = after.date()
        for day in self._days(first):
            passed = self._times_until(after) if day == first else 0
            for number in range(passed, self.times_a_day):
                yield self._wall_time(day, number)

    def _days(self, first: date) -> Iterator[date]:
        day = first
        while day.year <= first.year + _YEARS:
            if day.month not in self._sim.months:
                day = (day.replace(day=1) + 32 * _DAY).replace(day=1)
                continue
            if self._sim.match_day(day):
                yield day
            day += _DAY

    def _wall_time(self, day: date, number: int) -> datetime:
        """Return the day's time of that number, in order."""
        hours, minutes, seconds = self.clock
        rest, second = divmod(number, len(seconds))
        hour, minute = divmod(rest, len(minutes))
        clock = time(hours[hour], minutes[minute], seconds[second])
        return datetime.combine(day, clock)

    def _pieces(
        self, after: datetime, zone: ZoneInfo
    ) -> Iterator[tuple[Stretch, datetime, bool]]:
        """Yield the stretches, the wall time after which each one counts, and whether
        its beginning stands for times that the clocks left out.
        """
        for stretch in stretches(after, zone):
            is_new = stretch.begin > after
            low = stretch.wall_time(stretch.begin - TICK if is_new else after)
            if self.is_fixed:
                low = max(low, stretch.begins_instead_of - TICK)
            is_caught_up = is_new and self.is_fixed and self._fires_in_gap(stretch)
            yield stretch, low + TICK if is_caught_up else low, is_caught_up

    def _fires_in_gap(self, stretch: Stretch) -> bool:
        """Say whether a time is left out where a stretch begins, of a day that exists."""
        first, end = stretch.begins_instead_of, stretch.wall_time(stretch.begin)
        if first >= end:
            return False
        days = {(first - TICK).date(), end.date()}
        for wall_time in self._wall_times(first - TICK):
            if wall_time >= end or wall_time.date() in days:
                return wall_time < end
        return False

    def _count_wall_times(self, after: datetime, until: datetime) -> int:
        if until <= after:
            return 0
        first, last = after.date(), until.date()
        days = (first + number * _DAY for number in range((last - first).days + 1))
        found = self.times_a_day * sum(self.fires_on(day) for day in days)
        found -= self._times_until(after) if self.fires_on(first) else 0
        if self.fires_on(last):
            found -= self.times_a_day - self._times_until(until)
        return found

    def _times_until(self, wall_time: datetime) -> int:
        """Return how many of the day's times are not after that one."""
        hours, minutes, seconds = self.clock
        found = bisect_left(hours, wall_time.hour) * len(minutes)
        if wall_time.hour in hours:
            found += bisect_left(minutes, wall_time.minute)
        found *= len(seconds)
        if wall_time.hour in hours and wall_time.minute in minutes:
            found += bisect_right(seconds, wall_time.second)
        return found


def _from_monday(weekday: int | tuple[int, int]) -> int | tuple[int, int]:
    if isinstance(weekday, int):
        return weekday or 7
    return weekday[0] or 7, weekday[1]


@lru_cache(maxsize=16_384)
def _parse(text: str) -> Cron:
    cron = Cron(normalise(text))
    if not cron.fires_at_all():
        problem = _("never fires: no month that it names has such a day")
        raise InvalidOption("expression", problem)
    return cron
