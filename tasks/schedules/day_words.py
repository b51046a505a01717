"""The days of a cron expression in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

from cronsim import CronSim

from tasks.schedules.cron import Cron
from tasks.text import gettext as _
from tasks.text import pgettext

#: Values that are told one by one; more of them only as a range.
_MOST_LISTED = 6

_ALL_DATES = frozenset(range(1, 32))
_ALL_WEEKDAYS = frozenset(range(1, 8))
_ALL_MONTHS = frozenset(range(1, 13))


@dataclass(frozen=True)
class DayWords:
    """Which days; `text` is "" for all of them."""

    text: str
    #: Whether it reads "on the last day" rather than ", Monday to Friday".
    takes_on: bool = False


def word_days(cron: Cron) -> DayWords | None:
    """Return the days in words, None where they cannot be said shortly."""
    by_date, by_weekday = cron.dates != _ALL_DATES, cron.weekdays != _ALL_WEEKDAYS
    if cron.is_either_day and not (by_date and by_weekday):
        return _in_months(DayWords(""), cron.months)
    if by_date and by_weekday:
        return _either(cron) if cron.is_either_day else None
    if by_date:
        return _word_dates(cron.dates, cron.months)
    if by_weekday:
        return _word_weekdays(cron.weekdays, cron.months)
    return _in_months(DayWords(""), cron.months)


def _either(cron: Cron) -> DayWords | None:
    dates = _word_dates(cron.dates, cron.months)
    weekdays = _word_weekdays(cron.weekdays, cron.months)
    if dates is None or weekdays is None:
        return None
    facts = {"first": dates.text, "second": weekdays.text}
    return DayWords(_("%(first)s or %(second)s") % facts, takes_on=True)


def _in_months(words: DayWords, months: frozenset[int]) -> DayWords:
    if months == _ALL_MONTHS:
        return words
    facts = {"days": words.text, "months": _word_months(months)}
    if not words.text:
        return DayWords(_("every day in %(months)s") % facts)
    return DayWords(_("%(days)s in %(months)s") % facts, words.takes_on)


def _word_dates(dates: frozenset[int], months: frozenset[int]) -> DayWords | None:
    if dates == {CronSim.LAST}:
        return _of_months(_("the last day of %(months)s"), months)
    if dates == {CronSim.LAST_WEEKDAY}:
        return _of_months(_("the last weekday (Mon–Fri) of %(months)s"), months)
    listed = list_or_range(sorted(dates), str)
    if min(dates) < 1 or not listed:
        return None
    one, many = _("day %(days)s of %(months)s"), _("days %(days)s of %(months)s")
    return _of_months(one if len(dates) == 1 else many, months, days=listed)


def _of_months(pattern: str, months: frozenset[int], **facts: str) -> DayWords:
    """Return days that are counted within a month: of each, or of some."""
    each = pgettext("days of each month", "the month")
    of = each if months == _ALL_MONTHS else _word_months(months)
    return DayWords(pattern % {"months": of, **facts}, takes_on=True)


def _word_weekdays(
    weekdays: frozenset[int | tuple[int, int]], months: frozenset[int]
) -> DayWords | None:
    plain = sorted(day for day in weekdays if isinstance(day, int))
    counted = [day for day in weekdays if not isinstance(day, int)]
    if counted:
        is_one = not plain and len(counted) == 1
        return _word_counted(*counted[0], months) if is_one else None
    words = DayWords(list_or_range(plain, _weekday))
    if len(plain) == 1:
        text = _("every %(weekday)s")
        words = DayWords(text % {"weekday": _weekday(plain[0])})
    return _in_months(words, months)


def _word_counted(weekday: int, number: int, months: frozenset[int]) -> DayWords:
    patterns = {
        1: _("the first %(weekday)s of %(months)s"),
        2: _("the second %(weekday)s of %(months)s"),
        3: _("the third %(weekday)s of %(months)s"),
        4: _("the fourth %(weekday)s of %(months)s"),
        5: _("the fifth %(weekday)s of %(months)s"),
        CronSim.LAST: _("the last %(weekday)s of %(months)s"),
    }
    return _of_months(patterns[number], months, weekday=_weekday(weekday))


def _word_months(months: frozenset[int]) -> str:
    return list_or_range(sorted(months), _month) or join(map(_month, sorted(months)))


def list_or_range(values: Sequence[int], name: Callable[[int], str]) -> str:
    """Return "1 to 5" for a row of three or more, "1, 3 and 6" for a few, else ""."""
    first, last = values[0], values[-1]
    if len(values) > 2 and last - first == len(values) - 1:
        text = pgettext("a range", "%(first)s to %(last)s")
        return text % {"first": name(first), "last": name(last)}
    return join(map(name, values)) if len(values) <= _MOST_LISTED else ""


def join(words: Iterable[str]) -> str:
    """Return "a", "a and b", "a, b and c"."""
    *others, last = words
    if not others:
        return last
    comma = pgettext("in a list", "%(first)s, %(second)s")
    first = reduce(lambda a, b: comma % {"first": a, "second": b}, others)
    text = pgettext("end of a list", "%(first)s and %(last)s")
    return text % {"first": first, "last": last}


def _weekday(number: int) -> str:
    """Return the name of a weekday, 1 for Monday to 7 for Sunday."""
    return [
        pgettext("weekday", "Monday"),
        pgettext("weekday", "Tuesday"),
        pgettext("weekday", "Wednesday"),
        pgettext("weekday", "Thursday"),
        pgettext("weekday", "Friday"),
        pgettext("weekday", "Saturday"),
        pgettext("weekday", "Sunday"),
    ][number - 1]


def _month(number: int) -> str:
    return [
        pgettext("month", "January"),
        pgettext("month", "February"),
        pgettext("month", "March"),
        pgettext("month", "April"),
        pgettext("month", "May"),
        pgettext("month", "June"),
        pgettext("month", "July"),
        pgettext("month", "August"),
        pgettext("month", "September"),
        pgettext("month", "October"),
        pgettext("month", "November"),
        pgettext("month", "December"),
    ][number - 1]
