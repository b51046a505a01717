"""What a calendar makes of a rule's moments: due, excluded, or moved to another day."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import takewhile
from typing import Protocol
from zoneinfo import ZoneInfo

from tasks.schedules.beats import Beat, CronBeat
from tasks.schedules.zones import TICK, place, start_of
from tasks.text import gettext as _

DUE, EXCLUDED, MOVED = "due", "excluded", "moved"

#: Days off in a row over which a moment can be moved.
LONGEST_BLOCK = 60

_DAY, _SECOND, _NOTHING = timedelta(days=1), timedelta(seconds=1), timedelta()


class Days(Protocol):
    """A calendar."""

    def is_working(self, day: date) -> bool:
        """Say whether it is a working day."""


@dataclass(frozen=True)
class Moment:
    """A moment of a rule, in UTC; `due_at` is what makes it this one."""

    due_at: datetime
    #: What the rule said before a calendar moved it.
    nominal_at: datetime
    verdict: str = DUE
    #: Where a moment that is MOVED happens.
    moved_to: datetime | None = None

    @property
    def is_due(self) -> bool:
        return self.verdict == DUE

    def note(self, zone: ZoneInfo) -> str:
        """Say what a calendar did to it, "" for nothing."""
        if self.moved_to is not None:
            text = _("a day off: moved to %(moment)s")
            return text % {"moment": _words(self.moved_to, zone)}
        if self.verdict == EXCLUDED:
            return _("a day off")
        if self.nominal_at != self.due_at:
            text = _("for %(moment)s, a day off")
            return text % {"moment": _words(self.nominal_at, zone)}
        return ""


def _words(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"


@dataclass(frozen=True)
class Everyday:
    """All moments are due."""

    beat: Beat

    def moments(
        self, after: datetime, until: datetime, *, due: bool | None
    ) -> Iterator[Moment]:
        if due is not False:
            walk = takewhile(lambda at: at <= until, self.beat.after(after))
            yield from (Moment(at, at) for at in walk)

    def count(self, after: datetime, until: datetime, *, due: bool) -> int:
        return self.beat.count(after, until) if due else 0


@dataclass(frozen=True)
class Skipping:
    """Moments on days off are excluded. The day is that of the real moment."""

    beat: Beat
    days: Days
    zone: ZoneInfo

    def moments(
        self, after: datetime, until: datetime, *, due: bool | None
    ) -> Iterator[Moment]:
        walk = self.beat.after(after)
        while (at := next(walk, None)) is not None and at <= until:
            day = at.astimezone(self.zone).date()
            is_working = self.days.is_working(day)
            if due in (None, is_working):
                yield Moment(at, at, DUE if is_working else EXCLUDED)
            else:
                walk = self.beat.after(start_of(day + _DAY, self.zone) - TICK)

    def count(self, after: datetime, until: datetime, *, due: bool) -> int:
        off = sum(
            self.beat.count(max(after, begin - TICK), min(until, end - TICK))
            for begin, end in self._days_off(after, until)
        )
        return self.beat.count(after, until) - off if due else off

    def _days_off(
        self, after: datetime, until: datetime
    ) -> Iterator[tuple[datetime, datetime]]:
        day, last = (at.astimezone(self.zone).date() for at in (after, until))
        while day <= last:
            if not self.days.is_working(day):
                yield start_of(day, self.zone), start_of(day + _DAY, self.zone)
            day += _DAY


@dataclass(frozen=True)
class Shifting:
    """Moments on days off are moved to the next working day, or to the one before.

    A working day has its own times of the day and those of the days off beside it that
    are moved to it, each time once.
    """

    beat: CronBeat
    days: Days
    zone: ZoneInfo
    #: One day ahead, or one day back.
    step: timedelta

    def moments(
        self, after: datetime, until: datetime, *, due: bool | None
    ) -> Iterator[Moment]:
        day, last_day = (at.astimezone(self.zone).date() for at in (after, until))
        while day <= last_day:
            for moment in self._on(day, due=due):
                is_new = after < moment.due_at <= until
                if is_new and not self._gives_way(moment, day):
                    after = moment.due_at
                    yield moment
            day += _DAY

    def _on(self, day: date, *, due: bool | None) -> Iterator[Moment]:
        is_working = self.days.is_working(day)
        if due not in (None, is_working):
            return iter(())
        if not is_working:
            return self._moved_from(day)
        if self.beat.fires_on(day):
            return (Moment(at, at) for _clock, at in self.beat.on(day))
        return self._moved_to(day)

    def _gives_way(self, moment: Moment, day: date) -> bool:
        """Say whether it is left to the day before or after, which is due just then.

        So it may be where the clocks leave out the end of a day: what was due then is
        due as the next day begins.
        """
        if moment.is_due or not _begins_in_gap(moment.due_at, self.zone):
            return False
        beside = (self._on(day + step, due=True) for step in (-_DAY, _DAY))
        return any(moment.due_at == one.due_at for near in beside for one in near)

    def _moved_from(self, day: date) -> Iterator[Moment]:
        if not self.beat.fires_on(day):
            return
        target = working_day(self.days, day, self.step)
        times = _moments(self.beat.on_every_day(), target)
        for clock, at in self.beat.on(day):
            if target is None or not times:
                yield Moment(at, at, EXCLUDED)
            else:
                yield Moment(at, at, MOVED, self._same_time(clock, target, times))

    def _moved_to(self, day: date) -> Iterator[Moment]:
        source = self._source_of(day)
        times = _moments(self.beat, source)
        if source is None or not times:
            return
        for clock, at in self.beat.on_every_day().on(day):
            yield Moment(at, self._same_time(clock, source, times))

    def _source_of(self, day: date) -> date | None:
        """Return the nearest of the days off beside `day` that has moments."""
        for number in range(1, LONGEST_BLOCK + 1):
            source = day - number * self.step
            if self.days.is_working(source):
                return None
            if self.beat.fires_on(source):
                return source
        return None

    def _same_time(self, clock: time, day: date, times: Sequence[datetime]) -> datetime:
        """Return which of the times of `day` stands for one of another day; the clocks
        may have changed on either.
        """
        wall_time = datetime.combine(day, clock)
        index = bisect_right(times, place(wall_time, self.zone)) - 1
        return times[max(0, index)]


def _moments(beat: CronBeat, day: date | None) -> list[datetime]:
    """Return all moments of a day; one that the zone left out has none."""
    return [] if day is None else [at for _clock, at in beat.on(day)]


def _begins_in_gap(moment: datetime, zone: ZoneInfo) -> bool:
    """Say whether the clocks are put forward at a moment."""
    before, at = ((moment - late).astimezone(zone) for late in (_SECOND, _NOTHING))
    return at.replace(tzinfo=None) - before.replace(tzinfo=None) > _SECOND


def working_day(days: Days, day: date, step: timedelta) -> date | None:
    """Return `day`, or the nearest working day in steps of one day; None: too far."""
    near = (day + number * step for number in range(LONGEST_BLOCK + 1))
    return next((one for one in near if days.is_working(one)), None)
