"""Days off and make-up working days from JSON, in the forms that are published.

- Taskyard's own: {"off": [...], "work": [...], "weekends": ["saturday", "sunday"]},
  whose entries are dates, [from, to] with both included, {"date", "label"} or
  {"from", "to", "label"}; a list alone is "off".
- NateScarlet/holiday-cn, one file per year, a list of them, or its list of days:
  {"year": 2026, "days": [{"name", "date", "isOffDay"}]}.
- gov.uk/bank-holidays.json: {"scotland": {"division", "events": [{"title", "date"}]}},
  or one of its divisions alone.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from datetime import date
from typing import Any

from tasks.errors import InvalidOption
from tasks.schedules.marks import Marks, refusal
from tasks.text import gettext as _
from tasks.text import join_sentences

#: Monday is 0, as in Python.
WEEKDAYS = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)

SATURDAY_SUNDAY = frozenset({5, 6})

_OWN = ("name", "off", "work", "weekends")

_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")


def read_holidays(value: Any, name: str) -> tuple[Marks, frozenset[int]]:
    """Return the days of a JSON value, and the weekdays that are off in it.

    `name` is the calendar's, which chooses among the divisions of gov.uk's file. Raises
    InvalidOption.
    """
    marks = Marks()
    weekends = SATURDAY_SUNDAY
    if _is_list_of_years(value):
        for year in value:
            _read_year(year["days"], marks)
    elif _is_list_of_days(value):
        _read_year(value, marks)
    elif _is_year(value):
        _read_year(value["days"], marks)
    elif _is_division(value):
        _read_divisions({"": value}, name, marks)
    elif isinstance(value, dict) and value and all(map(_is_division, value.values())):
        _read_divisions(value, name, marks)
    else:
        weekends = _read_own(value, marks)
    if both := marks.off.keys() & marks.work.keys():
        problem = _("%(day)s is both off and worked")
        raise refusal(problem % {"day": min(both).isoformat()})
    return marks, weekends


def _is_year(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("days"), list)


def _is_list_of_years(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_year, value))


def _is_list_of_days(value: Any) -> bool:
    """Say whether one of the entries tells days off from those that are worked."""
    days = value if isinstance(value, list) else []
    return any(isinstance(entry, dict) and "isOffDay" in entry for entry in days)


def _is_division(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("events"), list)


# holiday-cn.


def _read_year(days: list[Any], marks: Marks) -> None:
    for number, entry in enumerate(days):
        place = f"days[{number}]"
        day = _read_date(_take(entry, "date", place), place)
        is_off = _take(entry, "isOffDay", place)
        if not isinstance(is_off, bool):
            raise _wrong(place, _("isOffDay must be true or false"))
        marks.add(day, 1, _label(entry, "name"), works=not is_off)


# gov.uk.


def _read_divisions(divisions: dict[str, Any], name: str, marks: Marks) -> None:
    chosen = _choose(divisions, name)
    for number, entry in enumerate(divisions[chosen]["events"]):
        place = f"{chosen}.events[{number}]".lstrip(".")
        day = _read_date(_take(entry, "date", place), place)
        marks.add(day, 1, _label(entry, "title"), works=False)


def _choose(divisions: Iterable[str], name: str) -> str:
    """Return the division that the calendar's name names, or the only one."""
    divisions = sorted(divisions)
    words = re.sub(r"[^a-z]+", "-", name.lower())
    named = [division for division in divisions if division in words]
    chosen = named or divisions
    if len(chosen) != 1:
        problem = _("has %(divisions)s: name the calendar after one of them")
        raise refusal(problem % {"divisions": ", ".join(divisions)})
    return chosen[0]


# Taskyard's own.


def _read_own(value: Any, marks: Marks) -> frozenset[int]:
    if isinstance(value, list):
        value = {"off": value}
    if not isinstance(value, dict):
        raise refusal(_("must be a JSON object with “off” and “work”"))
    for key in value:
        if key not in _OWN:
            raise _unknown(key)
    for key in ("off", "work"):
        entries = value.get(key, [])
        if not isinstance(entries, list):
            raise _wrong(key, _("must be a list"))
        for number, entry in enumerate(entries):
            first, days, label = _read_entry(entry, f"{key}[{number}]")
            marks.add(first, days, label, works=key == "work")
    return _read_weekends(value.get("weekends", True))


def _unknown(key: str) -> InvalidOption:
    problem = _("“%(key)s” is not known in a calendar.") % {"key": key[:100]}
    nearest = difflib.get_close_matches(key, _OWN, n=1)
    if nearest:
        guess = _("Did you mean %(nearest)s?") % {"nearest": nearest[0]}
        problem = join_sentences(problem, guess)
    return refusal(problem)


def _read_entry(entry: Any, place: str) -> tuple[date, int, str]:
    """Return the first day, how many there are, and their label."""
    label = ""
    if isinstance(entry, dict):
        label = _label(entry, "label")
        ends = [entry.get("from", entry.get("date")), entry.get("to")]
        entry = ends if ends[1] is not None else ends[0]
    if not isinstance(entry, list):
        return _read_date(entry, place), 1, label
    if len(entry) != 2:
        raise _wrong(place, _("a range is [first day, last day]"))
    first, last = (_read_date(day, place) for day in entry)
    if last < first:
        raise _wrong(place, _("the last day comes before the first"))
    return first, (last - first).days + 1, label


def _read_weekends(value: Any) -> frozenset[int]:
    """Return which weekdays are off, Monday being 0; false or [] means none."""
    if value is True:
        return SATURDAY_SUNDAY
    if value is False:
        return frozenset()
    if not isinstance(value, list):
        raise _wrong("weekends", _("must be a list of weekdays, true or false"))
    weekdays = frozenset(_read_weekday(day) for day in value)
    if len(weekdays) == len(WEEKDAYS):
        raise _wrong("weekends", _("no weekday is left to work on"))
    return weekdays


def _read_weekday(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 6:
        return value
    if isinstance(value, str) and len(value) >= 3:
        for number, name in enumerate(WEEKDAYS):
            if name.startswith(value.lower()):
                return number
    raise _wrong("weekends", _("a weekday is 0 (Monday) to 6, or its English name"))


# All of them.


def _take(entry: Any, key: str, place: str) -> Any:
    if not isinstance(entry, dict) or key not in entry:
        raise _wrong(place, _("it has no “%(key)s”") % {"key": key})
    return entry[key]


def _label(entry: dict[str, Any], key: str) -> str:
    value = entry.get(key)
    return "" if value is None else str(value)


def _read_date(value: Any, place: str) -> date:
    try:
        if isinstance(value, str) and _DATE.match(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    problem = _("%(value)s is no date such as 2026-01-31")
    raise _wrong(place, problem % {"value": repr(value)[:100]})


def _wrong(place: str, problem: str) -> InvalidOption:
    sentence = _("%(place)s: %(problem)s")
    return refusal(sentence % {"place": place, "problem": problem})
