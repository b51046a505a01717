"""A rule in words: "At 09:00, Monday to Friday"."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import time
from itertools import pairwise

from tasks.schedules.choices import AFTER, CRON, ONCE
from tasks.schedules.cron import Cron
from tasks.schedules.day_words import DayWords, join, list_or_range, word_days
from tasks.schedules.rule import Rule
from tasks.text import gettext as _
from tasks.text import ngettext

#: Times of a day that are told one by one.
_MOST_TIMES = 4

_DAY, _HOUR, _MINUTE, _SECOND = 86_400, 3_600, 60, 1


def describe(rule: Rule) -> str:
    """Return the rule in words, in its own zone and on a clock of 24 hours.

    A cron expression that cannot be said shortly is returned as it is.
    """
    if rule.kind == CRON:
        return describe_cron(Cron.parse(rule.expression))
    if rule.kind == ONCE and rule.at is not None:
        moment = rule.at.astimezone(rule.tz)
        return _("Once, %(moment)s") % {"moment": f"{moment:%Y-%m-%d %H:%M}"}
    seconds = rule.every or 0
    if rule.kind == AFTER:
        text = _("%(pause)s after the end of the last run")
        return text % {"pause": _length(seconds)}
    return _("%(period)s, from start to start") % {"period": _period(seconds)}


def describe_cron(cron: Cron) -> str:
    """Return an expression in words, or as it is."""
    days = word_days(cron)
    if days is None:
        return cron.text
    if cron.is_fixed and cron.times_a_day <= _MOST_TIMES:
        return _at_times(join(_times(cron)), days)
    period = _word_period(cron)
    return _period_on(period, days) if period else cron.text


def notes(cron: Cron) -> list[str]:
    """Return what readers of other dialects may not expect of an expression."""
    found = []
    if len(cron.text.split()) == 6:
        found.append(_("The first of the six fields is the second."))
    by_date, by_weekday = (cron.fields[place] != "*" for place in (3, 5))
    if by_date and by_weekday and cron.is_either_day:
        found.append(_("It fires where the day of the month or the weekday matches."))
    elif by_date and by_weekday:
        found.append(_("It fires where the day of the month and the weekday match."))
    return found


def _at_times(times: str, days: DayWords) -> str:
    facts = {"times": times, "days": days.text}
    if not days.text:
        return _("Every day at %(times)s") % facts
    if days.takes_on:
        return _("At %(times)s on %(days)s") % facts
    return _("At %(times)s, %(days)s") % facts


def _period_on(period: str, days: DayWords) -> str:
    facts = {"period": period, "days": days.text}
    if not days.text:
        return period
    if days.takes_on:
        return _("%(period)s on %(days)s") % facts
    return _("%(period)s, %(days)s") % facts


def _times(cron: Cron) -> list[str]:
    hours, minutes, seconds = cron.clock
    times = [time(h, m, s) for h in hours for m in minutes for s in seconds]
    return [_clock_time(one, with_seconds=seconds != [0]) for one in times]


def _clock_time(one: time, *, with_seconds: bool) -> str:
    return f"{one:%H:%M:%S}" if with_seconds else f"{one:%H:%M}"


def _word_period(cron: Cron) -> str:
    """Return how often it fires on a day, "" where that is no period."""
    hours, minutes, seconds = cron.clock
    if len(seconds) > 1:
        whole = len(hours) == 24 and len(minutes) == 60
        step = _step(seconds, 60) if whole else 0
        return _period(step * _SECOND) if step else ""
    if seconds != [0]:
        return ""
    return (_word_minutes if len(minutes) > 1 else _word_hours)(hours, minutes)


def _word_minutes(hours: Sequence[int], minutes: Sequence[int]) -> str:
    if len(hours) == 24:
        if step := _step(minutes, 60):
            return _period(step * _MINUTE)
        if listed := list_or_range(minutes, str):
            text = _("At minutes %(minutes)s of every hour")
            return text % {"minutes": listed}
    step = _step_in(minutes)
    goes_round = minutes[0] + 60 == minutes[-1] + step
    if not step or not (len(hours) == 1 or (goes_round and _step_in(hours) == 1)):
        return ""
    return _between(step * _MINUTE, hours, minutes)


def _word_hours(hours: Sequence[int], minutes: Sequence[int]) -> str:
    if len(hours) == 24 and minutes != [0]:
        text = _("At minute %(minute)s of every hour")
        return text % {"minute": minutes[0]}
    if minutes == [0] and (step := _step(hours, 24)):
        return _period(step * _HOUR)
    step = _step_in(hours)
    return _between(step * _HOUR, hours, minutes) if step else ""


def _between(seconds: int, hours: Sequence[int], minutes: Sequence[int]) -> str:
    text = _("%(period)s from %(first)s to %(last)s")
    first = _clock_time(time(hours[0], minutes[0]), with_seconds=False)
    last = _clock_time(time(hours[-1], minutes[-1]), with_seconds=False)
    return text % {"period": _period(seconds), "first": first, "last": last}


def _step(values: Sequence[int], size: int) -> int:
    """Return the step of values that go round from 0 without a gap, else 0."""
    step = _step_in(values)
    is_round = step > 0 and values[0] == 0 and values[-1] + step == size
    return step if is_round else 0


def _step_in(values: Sequence[int]) -> int:
    """Return the distance of values that all have the same, else 0."""
    steps = {later - earlier for earlier, later in pairwise(values)}
    return steps.pop() if len(steps) == 1 else 0


def _in_units(seconds: float) -> tuple[float, int]:
    """Return a length in the largest unit of which it is a whole number."""
    for unit in (_DAY, _HOUR, _MINUTE):
        if seconds >= unit and seconds % unit == 0:
            return seconds / unit, unit
    return seconds, _SECOND


def _period(seconds: float) -> str:
    count, unit = _in_units(seconds)
    if count == 1:
        return _one_period(unit)
    number = math.ceil(count)
    text = {
        _DAY: ngettext("Every %(count)s day", "Every %(count)s days", number),
        _HOUR: ngettext("Every %(count)s hour", "Every %(count)s hours", number),
        _MINUTE: ngettext("Every %(count)s minute", "Every %(count)s minutes", number),
        _SECOND: ngettext("Every %(count)s second", "Every %(count)s seconds", number),
    }[unit]
    return text % {"count": _number(count)}


def _one_period(unit: int) -> str:
    return {
        _DAY: _("Every 24 hours"),
        _HOUR: _("Every hour"),
        _MINUTE: _("Every minute"),
        _SECOND: _("Every second"),
    }[unit]


def _length(seconds: float) -> str:
    count, unit = _in_units(seconds)
    number = math.ceil(count)
    text = {
        _DAY: ngettext("%(count)s day", "%(count)s days", number),
        _HOUR: ngettext("%(count)s hour", "%(count)s hours", number),
        _MINUTE: ngettext("%(count)s minute", "%(count)s minutes", number),
        _SECOND: ngettext("%(count)s second", "%(count)s seconds", number),
    }[unit]
    return text % {"count": _number(count)}


def _number(count: float) -> str:
    return f"{count:,.6f}".rstrip("0").rstrip(".")
