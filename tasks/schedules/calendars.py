"""Calendars: which days are worked, by their weekday and by the days that they name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Self

from tasks.schedules.holidays_json import SATURDAY_SUNDAY, read_holidays
from tasks.schedules.ics import read_ics
from tasks.schedules.marks import refusal
from tasks.strict_json import parse_json
from tasks.text import gettext as _

#: Bytes that a calendar's file may have; thirty years of holidays have a tenth of it.
MOST_BYTES = 1 << 20

#: Days to look for a working one; a calendar without any in a year has none.
LONGEST_SEARCH = 366

#: Where an ICS file's line is folded inside a character, as RFC 5545, 3.1 allows.
_FOLDED_CHARACTER = re.compile(rb"\r?\n[ \t](?=[\x80-\xbf])")


@dataclass(frozen=True)
class Days:
    """A named calendar: the days off, and those worked although their weekday is off.

    Dates are local ones of whoever asks. `off` and `work` hold the days' labels, which
    may be empty; `weekends` are the weekdays that are off, Monday being 0, and none of
    them for those who work around the clock.
    """

    name: str
    off: Mapping[date, str] = field(default_factory=dict, hash=False)
    work: Mapping[date, str] = field(default_factory=dict, hash=False)
    weekends: frozenset[int] = SATURDAY_SUNDAY

    def is_working(self, day: date) -> bool:
        if day in self.work:
            return True
        return day not in self.off and day.weekday() not in self.weekends

    def why(self, day: date) -> str:
        """Return what makes the day off or worked, "" for a plain working day."""
        if day in self.work:
            return self.work[day] or _("make-up working day")
        if day in self.off:
            return self.off[day] or _("day off")
        return _("weekend") if day.weekday() in self.weekends else ""

    def next_working(self, day: date) -> date | None:
        """Return the first working day after `day`, None if a year has none."""
        return self._find(day, timedelta(days=1))

    def previous_working(self, day: date) -> date | None:
        """Return the last working day before `day`, None if a year has none."""
        return self._find(day, timedelta(days=-1))

    def _find(self, day: date, step: timedelta) -> date | None:
        for _number in range(LONGEST_SEARCH):
            day += step
            if self.is_working(day):
                return day
        return None

    def to_json(self) -> dict[str, Any]:
        """Return it in the form that `from_json` and `read_calendar` take."""
        return {
            "name": self.name,
            "off": _entries(self.off),
            "work": _entries(self.work),
            "weekends": sorted(self.weekends),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the calendar that `to_json` wrote; raises InvalidOption."""
        name = str(value.get("name", ""))
        marks, weekends = read_holidays(dict(value), name)
        return cls(name, marks.off, marks.work, weekends)


def read_calendar(data: bytes, name: str, today: date) -> Days:
    """Return the calendar in an ICS or JSON file as it was downloaded.

    Events that come back each year are taken from ten years before `today` to twenty
    after it. Raises InvalidOption with what is wrong and where.
    """
    text = _read_text(data)
    head = text.lstrip()[:15].upper()
    if head == "BEGIN:VCALENDAR":
        marks, weekends = read_ics(text, today), SATURDAY_SUNDAY
    elif head.startswith(("{", "[")):
        marks, weekends = read_holidays(_parse(text), name)
    elif head.startswith("<"):
        raise refusal(_("is a web page: give the file that its link leads to"))
    else:
        raise refusal(_("is neither an ICS file nor JSON"))
    if not marks.off and not marks.work and weekends == SATURDAY_SUNDAY:
        raise refusal(_("names no dates"))
    return Days(name, marks.off, marks.work, weekends)


def _read_text(data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise refusal(_("is larger than 1 MB"))
    try:
        return _FOLDED_CHARACTER.sub(b"", data).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = _("is not text in UTF-8, which begins to fail at byte %(place)s")
        raise refusal(problem % {"place": error.start}) from error


def _parse(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError as error:
        problem = _("is no JSON: %(reason)s") % {"reason": error}
        raise refusal(problem) from error


def _entries(days: Mapping[date, str]) -> list[Any]:
    """Return the days in order, those with a label as objects."""
    return [
        {"date": day.isoformat(), "label": label} if label else day.isoformat()
        for day, label in sorted(days.items())
    ]
