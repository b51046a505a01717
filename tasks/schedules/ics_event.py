"""One event of an iCalendar file and the days that it touches (RFC 5545)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, tzinfo
from itertools import chain
from typing import Any

from tasks.errors import InvalidOption
from tasks.schedules.day_titles import Meaning, read_meaning
from tasks.schedules.marks import FIRST_YEAR, refusal
from tasks.schedules.yearly import read_yearly
from tasks.text import gettext as _

#: Years before and after today in which an event that comes back is looked for.
YEARS_BACK, YEARS_AHEAD = 10, 20

#: What an event's days depend on: none of it may be unreadable.
_DATES = ("DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID")

#: What an event has once at most.
_SINGLE = ("DTSTART", "DTEND", "DURATION", "RRULE", "RECURRENCE-ID")


class IcsEvent:
    """An event, for the local dates that it touches.

    `zone` is what its moments in UTC are meant for, `line` where it begins. Raises
    InvalidOption with that line for an event whose days cannot be told. Whether it
    marks its owner busy (TRANSP) says nothing of a holiday.
    """

    def __init__(self, component: Any, line: int, zone: tzinfo) -> None:
        self._component = component
        self._line = line
        self._zone = zone
        self._check()
        self.uid = self._text("UID") or f"line {line}"
        self.title = self._text("SUMMARY")
        self.is_cancelled = self._text("STATUS").upper() == "CANCELLED"
        self.meaning = self._read_meaning()
        self._first, self._length = self._bounds()
        #: The day of a series for which this event stands.
        self.replaces = self._date_of("RECURRENCE-ID")

    @property
    def comes_back(self) -> bool:
        return "RRULE" in self._component

    @property
    def works(self) -> bool:
        if self.meaning is Meaning.SWAPPED:  # a weekend is free without being swapped
            return self._length == 1 and self._first.weekday() >= 5
        return self.meaning is Meaning.WORKS

    def spans(self, today: date, replaced: set[date]) -> Iterator[tuple[date, int]]:
        """Yield the first day and the number of days of each time that it takes place.

        `replaced` are the days of its series for which other events stand.
        """
        without = {*self._dates("EXDATE")} | (set() if self.replaces else replaced)
        for start in chain(self._starts(today), self._dates("RDATE")):
            if start not in without:
                yield start, self._length

    def _check(self) -> None:
        wrong = {name: reason for name, reason in self._component.errors if name}
        for name in _DATES:
            if name in wrong:
                problem = _("%(name)s cannot be read (%(reason)s)")
                raise self._refusal(problem % {"name": name, "reason": wrong[name]})
        for name in _SINGLE:
            if isinstance(self._component.get(name), list):
                raise self._refusal(_("it has more than one %(name)s") % {"name": name})
        if "DTSTART" not in self._component:
            raise self._refusal(_("it has no DTSTART, which would say its date"))

    def _text(self, name: str) -> str:
        value = self._component.get(name, "")
        return " ".join(map(str, value)) if isinstance(value, list) else str(value)

    def _read_meaning(self) -> Meaning:
        categories = self._component.get("CATEGORIES", [])
        lists = categories if isinstance(categories, list) else [categories]
        words = [str(word) for some in lists for word in some.cats]
        return read_meaning(
            " ".join([self.title, *words]),
            apple=self._text("X-APPLE-SPECIAL-DAY"),
            description=self._text("DESCRIPTION"),
        )

    def _bounds(self) -> tuple[date, int]:
        """Return its first day and how many it has; an end at midnight touches none."""
        start = self._component["DTSTART"].dt
        if not _is_utc(start):
            self._zone = getattr(start, "tzinfo", None) or self._zone
        begin = self._local(start)
        end = self._end(begin)
        if end < begin:
            raise self._refusal(_("it ends before it begins"))
        last = end if end == begin else end - timedelta.resolution
        return begin.date(), (last.date() - begin.date()).days + 1

    def _end(self, begin: datetime) -> datetime:
        if "DTEND" in self._component:
            return self._local(self._component["DTEND"].dt)
        if "DURATION" not in self._component:
            return begin
        duration = self._component["DURATION"].dt
        if not isinstance(duration, timedelta):  # the library takes dates too
            raise self._refusal(_("%(value)s is no duration") % {"value": duration})
        try:
            return begin + duration
        except OverflowError as error:
            raise self._out_of_bounds(begin) from error

    def _starts(self, today: date) -> Iterator[date]:
        if not self.comes_back:
            yield self._first
            return
        rule = self._component["RRULE"]
        until = [self._local(value).date() for value in rule.get("UNTIL", ())]
        try:
            yearly = read_yearly(rule, min(until, default=None))
        except ValueError as error:
            raise self._unfollowed(rule) from error
        if yearly.count and self._first.year < FIRST_YEAR:
            problem = _("an event with COUNT begins in %(year)s at the earliest")
            raise self._refusal(problem % {"year": FIRST_YEAR})
        first = date(today.year - YEARS_BACK, 1, 1)
        last = date(today.year + YEARS_AHEAD, 12, 31)
        yield from yearly.occurrences(self._first, first, last)

    def _unfollowed(self, rule: Any) -> InvalidOption:
        problem = _(
            "RRULE:%(rule)s cannot be followed, only FREQ=YEARLY with INTERVAL, COUNT,"
            " UNTIL, BYMONTH, BYMONTHDAY, BYDAY and BYSETPOS: name the days one by one,"
            " or free weekdays as the calendar's weekends"
        )
        return self._refusal(problem % {"rule": rule.to_ical().decode()})

    def _date_of(self, name: str) -> date | None:
        value = self._component.get(name)
        return self._local(value.dt).date() if value is not None else None

    def _dates(self, name: str) -> Iterator[date]:
        value = self._component.get(name, [])
        for some in value if isinstance(value, list) else [value]:
            for item in some.dts:
                begin = item.dt[0] if isinstance(item.dt, tuple) else item.dt
                yield self._local(begin).date()

    def _local(self, value: object) -> datetime:
        if not isinstance(value, date):  # the library takes times and durations too
            raise self._refusal(_("%(value)s is no date") % {"value": value})
        if not isinstance(value, datetime):
            return datetime.combine(value, time())
        if _is_utc(value):
            try:
                value = value.astimezone(self._zone)
            except OverflowError as error:
                raise self._out_of_bounds(value) from error
        return value.replace(tzinfo=None)

    def _out_of_bounds(self, value: datetime) -> InvalidOption:
        problem = _("%(value)s is too near the end of all years")
        return self._refusal(problem % {"value": value})

    def _refusal(self, problem: str) -> InvalidOption:
        sentence = _("the event at line %(line)s: %(problem)s")
        return refusal(sentence % {"line": self._line, "problem": problem})


def _is_utc(value: object) -> bool:
    return isinstance(value, datetime) and value.tzname() == "UTC"
