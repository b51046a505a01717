"""Cron expressions of other libraries, as Cron reads them.

- `crontab`, which rq-scheduler reads with: five fields, six with the year at the end, or
  seven with the second in front as well. A day must match both its date and weekday.
- `croniter`, which rq's cron reads with: five fields, six with the second at the end, or
  seven with the year after it.
"""

from __future__ import annotations

import re

from tasks.errors import InvalidOption
from tasks.schedules.cron import Cron
from tasks.text import gettext as _

#: The last of a weekday in the month, as `crontab` writes it.
_LAST_WEEKDAY = re.compile(r"[lL]([0-7])")


def from_crontab(text: str) -> str:
    """Return an expression of rq-scheduler as it is kept here. Raises InvalidOption."""
    fields = _five_and_more(text)
    if len(fields) == 6:
        fields = _without_year(fields)
    elif len(fields) == 7:
        fields = _with_second(_without_year(fields))
    *rest, weekday = fields
    fields = [*rest, ",".join(map(_turned, weekday.split(",")))]
    if fields[-3] not in ("*", "?") and fields[-1] not in ("*", "?"):
        raise _refusal(
            _(
                "“%(text)s” runs where the day of the month and the weekday both match,"
                " which cannot be said here: make it by hand"
            ),
            text,
        )
    return Cron.parse(" ".join(fields)).text


def from_croniter(text: str) -> str:
    """Return an expression of rq's cron as it is kept here. Raises InvalidOption."""
    fields = _five_and_more(text)
    if len(fields) == 7:
        fields = _without_year(fields)
    if len(fields) == 6:
        fields = _with_second([fields[-1], *fields[:-1]])
    days = (fields[-3], fields[-1])
    is_both = all(field not in ("*", "?") for field in days)
    if is_both and any(field.startswith("*") for field in days):
        raise _refusal(
            _(
                "“%(text)s” runs where the day of the month or the weekday matches, which"
                " cannot be said here with a * in one of them: make it by hand"
            ),
            text,
        )
    return Cron.parse(" ".join(fields)).text


def _five_and_more(text: str) -> list[str]:
    fields = text.split()
    if fields and fields[0].startswith("@"):
        return Cron.parse(text).text.split()
    if not 5 <= len(fields) <= 7:
        raise _refusal(_("“%(text)s” has neither five, six nor seven fields"), text)
    return fields


def _without_year(fields: list[str]) -> list[str]:
    if fields[-1] not in ("*", "?"):
        text = _("“%(text)s” names a year: give the schedule a beginning and an end")
        raise _refusal(text, " ".join(fields))
    return fields[:-1]


def _with_second(fields: list[str]) -> list[str]:
    """Return five fields where the first of six says nothing; a * in it is on purpose."""
    second, *rest = fields
    if second == "0":
        return rest
    return ["*/1" if second == "*" else second, *rest]


def _turned(weekday: str) -> str:
    last = _LAST_WEEKDAY.fullmatch(weekday)
    return f"{last[1]}L" if last else weekday


def _refusal(problem: str, text: str) -> InvalidOption:
    return InvalidOption("expression", problem % {"text": text[:100]})
