"""Events that come back each year: RRULE with FREQ=YEARLY (RFC 5545, 3.3.10)."""

from __future__ import annotations

import calendar
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")

#: Parts of a rule that are understood; WKST has no meaning without weeks.
_PARTS = {
    "FREQ",
    "INTERVAL",
    "COUNT",
    "UNTIL",
    "BYMONTH",
    "BYMONTHDAY",
    "BYDAY",
    "BYSETPOS",
    "WKST",
}

_WEEKDAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)\Z")


@dataclass(frozen=True)
class Yearly:
    """A rule for days of the year; without weekdays and days, the day of its start."""

    interval: int = 1
    count: int | None = None
    until: date | None = None
    months: tuple[int, ...] = ()
    days: tuple[int, ...] = ()
    #: Each with its number in the month, or in the year; 0 for all of them.
    weekdays: tuple[tuple[int, int], ...] = ()
    positions: tuple[int, ...] = ()

    def occurrences(self, start: date, first: date, last: date) -> Iterator[date]:
        """Yield in order the days from `first` to `last` on which it falls."""
        found = (day for day in self._from(start, first, last) if day >= start)
        # islice takes no number beyond sys.maxsize; no rule comes so often.
        for day in islice(found, min(self.count or sys.maxsize, sys.maxsize)):
            if day > min(last, self.until or last):
                return
            if day >= first:
                yield day

    def _from(self, start: date, first: date, last: date) -> Iterator[date]:
        """Yield what the rule gives in each of its years; the first few may be early.

        A rule that counts must be followed from its start, any other only from the
        window on.
        """
        begin = start.year
        if self.count is None and first.year > begin:
            begin += (first.year - begin) // self.interval * self.interval
        for year in range(begin, last.year + 1, self.interval):
            yield from self._chosen(year, start)

    def _chosen(self, year: int, start: date) -> list[date]:
        days = sorted(set(self._candidates(year, start)))
        if not self.positions:
            return days
        chosen = (at - 1 if at > 0 else at for at in self.positions)
        return sorted({days[at] for at in chosen if -len(days) <= at < len(days)})

    def _candidates(self, year: int, start: date) -> Iterator[date]:
        if self.weekdays and not self.months and not self.days:
            yield from self._weekdays_of(date(year, 1, 1), date(year, 12, 31))
            return
        every_month = tuple(range(1, 13)) if self.days else (start.month,)
        for month in self.months or every_month:
            end = date(year, month, calendar.monthrange(year, month)[1])
            if self.weekdays and not self.days:
                yield from self._weekdays_of(end.replace(day=1), end)
            else:
                yield from self._days_of(end, self.days or (start.day,))

    def _days_of(self, end: date, days: tuple[int, ...]) -> Iterator[date]:
        """Yield those days of the month ending at `end` that it has."""
        allowed = {weekday for _number, weekday in self.weekdays}
        for number in days:
            at = number if number > 0 else end.day + 1 + number
            if not 1 <= at <= end.day:
                continue
            day = end.replace(day=at)
            if not allowed or day.weekday() in allowed:
                yield day

    def _weekdays_of(self, first: date, last: date) -> Iterator[date]:
        for number, weekday in self.weekdays:
            start = first + timedelta(days=(weekday - first.weekday()) % 7)
            size = (last - start).days // 7 + 1
            at = number - 1 if number > 0 else size + number
            weeks = range(size) if number == 0 else range(at, at + 1)
            for week in weeks:
                if 0 <= week < size:
                    yield start + timedelta(weeks=week)


def read_yearly(parts: Mapping[str, Sequence[object]], until: date | None) -> Yearly:
    """Return the rule that `parts` stand for, by their names in an RRULE.

    `until` is the local date of UNTIL. Raises ValueError for what it cannot follow.
    """
    if [str(value) for value in parts.get("FREQ", ())] != ["YEARLY"]:
        raise _unfollowed(parts)
    if unknown := set(parts) - _PARTS:
        raise _unfollowed(unknown)
    weekdays = tuple(_read_weekday(value) for value in parts.get("BYDAY", ()))
    days = _numbers(parts, "BYMONTHDAY", 31)
    if days and any(number for number, _weekday in weekdays):
        raise _unfollowed(weekdays)
    return Yearly(
        interval=_number(parts, "INTERVAL") or 1,
        count=_number(parts, "COUNT"),
        until=until,
        months=_numbers(parts, "BYMONTH", 12, least=1),
        days=days,
        weekdays=weekdays,
        positions=_numbers(parts, "BYSETPOS", 366),
    )


def _read_weekday(value: object) -> tuple[int, int]:
    found = _WEEKDAY.match(str(value))
    if not found or (found[1] and int(found[1]) == 0):
        raise _unfollowed(value)
    return int(found[1] or 0), WEEKDAYS.index(found[2])


def _number(parts: Mapping[str, Sequence[object]], name: str) -> int | None:
    numbers = [int(str(value)) for value in parts.get(name, ())]
    if len(numbers) > 1 or any(number < 1 for number in numbers):
        raise _unfollowed(name)
    return numbers[0] if numbers else None


def _numbers(
    parts: Mapping[str, Sequence[object]],
    name: str,
    most: int,
    least: int | None = None,
) -> tuple[int, ...]:
    numbers = tuple(int(str(value)) for value in parts.get(name, ()))
    lowest = -most if least is None else least
    if any(number == 0 or not lowest <= number <= most for number in numbers):
        raise _unfollowed(name)
    return numbers


def _unfollowed(what: object) -> ValueError:
    return ValueError(f"{what} cannot be followed")
