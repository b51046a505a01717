"""The digest of a log: levels, hours, the most frequent messages."""

from __future__ import annotations

import re
from collections import Counter, deque
from typing import Any

from tasks.builtin._lines import Lines
from tasks.builtin._sketch import Frequent
from tasks.builtin._text import printable
from tasks.builtin._values import Numbers, Values

#: Level, time and pattern are looked for in so many characters of a line.
LOOK = 4_096

#: Messages are told apart by so many characters.
MESSAGE_LIMIT = 300

#: Hours that are counted exactly: more than two years.
HOURS = 10_000

#: The last lines at ERROR and above that are shown.
LAST_ERRORS = 5

_LEVELS = {
    "trace": "TRACE",
    "debug": "DEBUG",
    "info": "INFO",
    "notice": "NOTICE",
    "warn": "WARNING",
    "warning": "WARNING",
    "err": "ERROR",
    "error": "ERROR",
    "crit": "CRITICAL",
    "critical": "CRITICAL",
    "alert": "CRITICAL",
    "emerg": "CRITICAL",
    "emergency": "CRITICAL",
    "panic": "CRITICAL",
    "fatal": "CRITICAL",
}

_SEVERE = ("ERROR", "CRITICAL")

_NAMES = "|".join(sorted(_LEVELS, key=len, reverse=True))

# In capitals anywhere; in small letters only where they cannot be a word of a sentence.
_LEVEL = re.compile(
    rf"\b({_NAMES.upper()})\b"
    rf"|(?:[\[<](?:\w+:)?|\b(?:level|lvl|severity)[\"']?\s?[=:]\s?[\"']?)"
    rf"((?i:{_NAMES}))\b"
)

_HOUR = re.compile(
    r"(?P<iso>\d{4}-\d\d-\d\d[T ]\d\d):\d\d"
    r"|(?P<day>\d\d)/(?P<month>[A-Z][a-z]{2})/(?P<year>\d{4}):(?P<hour>\d\d):\d\d"
    r"|^(?P<syslog>[A-Z][a-z]{2} [ \d]\d \d\d):\d\d:\d\d"
)

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"

# What differs between two lines that say the same: numbers, ids, addresses.
_VARIABLE = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-f]{8,}(?:-[0-9a-f]{4,})*\b|\d+")


def digest(
    lines: Lines, *, pattern: re.Pattern[str] | None, top: int
) -> dict[str, Any]:
    """Return the digest of a log; `pattern` finds one value in each line."""
    run = _Run(pattern)
    for batch in lines.batches():
        run.add(batch)
    return {"lines": lines.count, **run.summary(top)}


class _Run:
    """Adds lines to the counts."""

    def __init__(self, pattern: re.Pattern[str] | None) -> None:
        self._pattern = pattern
        self._empty = 0
        self._levels: Counter[str] = Counter()
        self._hours = Frequent(HOURS)
        self._of_day: Counter[str] = Counter()
        self._first = self._last = ""
        self._messages = Frequent()
        self._lengths = Numbers()
        self._found = Values(pattern.pattern if pattern else "")
        self._errors: deque[str] = deque(maxlen=LAST_ERRORS)

    def add(self, lines: list[str]) -> None:
        self._lengths.add_all([len(line.rstrip("\r\n")) for line in lines])
        filled = [line[:LOOK] for line in lines if not line.isspace()]
        self._empty += len(lines) - len(filled)
        self._levels.update(map(self._level, filled))
        self._add_hours([hour for line in filled if (hour := hour_of(line))])
        self._messages.add_all([message_of(line) for line in filled])
        if self._pattern:
            self._found.add_all([_found(self._pattern, line) for line in filled])

    def _level(self, line: str) -> str:
        level = level_of(line)
        if level in _SEVERE:
            self._errors.append(line)
        return level

    def _add_hours(self, hours: list[str]) -> None:
        if hours:
            self._first = self._first or hours[0]
            self._last = hours[-1]
            self._hours.add_all(hours)
            self._of_day.update(hour[-2:] for hour in hours)

    def summary(self, top: int) -> dict[str, Any]:
        without = self._levels.pop("", 0)
        facts: dict[str, Any] = {
            "empty_lines": self._empty,
            "levels": dict(self._levels.most_common()),
            "lines_without_level": without,
            "hours": self._hour_facts(top),
            "top_messages": [
                {"count": count, "message": printable(message, MESSAGE_LIMIT)}
                for message, count in self._messages.top(top)
            ],
            "top_counts_may_be_low_by": self._messages.missed,
            "line_length": self._lengths.summary(),
            "last_errors": [printable(line.rstrip(), 300) for line in self._errors],
        }
        if self._pattern:
            facts["pattern"] = self._found.summary(top)
        return facts

    def _hour_facts(self, top: int) -> dict[str, Any]:
        return {
            "first": self._first,
            "last": self._last,
            "lines_with_time": self._hours.count,
            "busiest": dict(self._hours.top(top)),
            "by_hour_of_day": dict(sorted(self._of_day.items())),
        }


def level_of(line: str) -> str:
    """Return the level that a line names, in one spelling; "" for none."""
    found = _LEVEL.search(line)
    return _LEVELS[(found[1] or found[2]).lower()] if found else ""


def hour_of(line: str) -> str:
    """Return the hour of a line, e.g. "2026-11-21 03"; "" where it names none."""
    found = _HOUR.search(line, 0, 200)
    if found is None:
        return ""
    if found["iso"]:
        return found["iso"].replace("T", " ")
    if found["syslog"]:
        return found["syslog"]
    month = _MONTHS.find(found["month"]) // 4 + 1
    return f"{found['year']}-{month:02}-{found['day']} {found['hour']}"


def message_of(line: str) -> str:
    """Return what a line says without its time, numbers and ids, each shown as #."""
    plain = _VARIABLE.sub("#", line[:MESSAGE_LIMIT])
    return plain.lstrip("#-:.,/+[]TZ \t").rstrip() or plain.strip()


def _found(pattern: re.Pattern[str], line: str) -> str | None:
    found = pattern.search(line)
    return found[pattern.groups and 1] if found else None
