"""Whether a rule can work; if not, which field is wrong, and the way out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from tasks.errors import InvalidOption
from tasks.schedules.choices import (
    AFTER,
    CRON,
    EVERY,
    KINDS,
    NEXT,
    ON_DAY_OFF,
    ONCE,
    RUN,
    SKIP,
)
from tasks.schedules.cron import Cron
from tasks.schedules.days_off import LONGEST_BLOCK, Days, working_day
from tasks.schedules.gathering import Gathering
from tasks.schedules.zones import LAST_YEAR, TICK, zone_named
from tasks.text import gettext as _

if TYPE_CHECKING:
    from tasks.schedules.rule import Rule

#: Seconds; a scheduler decides moments each second at most.
SHORTEST_EVERY = 1
LONGEST_EVERY = 10 * 365 * 24 * 3600

#: Times of a day that can be moved over days off: each minute.
MOST_MOVED = 1_440

#: Within which a rule with a calendar must be due.
_TEN_YEARS = timedelta(days=3_653)

_DAY = timedelta(days=1)

#: What may happen on a day off, by kind.
_ON_DAY_OFF = {CRON: ON_DAY_OFF, EVERY: (RUN, SKIP), AFTER: (RUN, NEXT), ONCE: (RUN,)}


def check_rule(rule: Rule, now: datetime) -> None:
    """Raise InvalidOption, which names the field, for a rule that cannot work."""
    _check_fields(rule)
    _check_range(rule)
    if rule.calendar is not None:
        _check_calendar(rule, rule.calendar, max(now, rule.starts_at or now))


def _check_fields(rule: Rule) -> None:
    """Check each by itself: what they make together is told once they are right."""
    problems = Gathering()
    with problems:
        checked_choice("on_day_off", rule.on_day_off, ON_DAY_OFF)
    with problems:
        zone_named(rule.zone)
    with problems:
        check_kind(rule)
    for field, moment in (("starts_at", rule.starts_at), ("ends_at", rule.ends_at)):
        if moment is not None:
            with problems:
                checked_moment(field, moment)
    problems.refuse()


def check_kind(rule: Rule) -> None:
    """Raise InvalidOption for a kind that is none, and for what it cannot go by."""
    checked_choice("kind", rule.kind, KINDS)
    _CHECKS[rule.kind](rule)


def checked_choice(field: str, value: object, choices: tuple[str, ...]) -> str:
    """Return the value, which is one of `choices`. Raises InvalidOption."""
    if isinstance(value, str) and value in choices:
        return value
    problem = _("must be one of %(expected)s")
    raise InvalidOption(field, problem % {"expected": ", ".join(choices)})


def checked_moment(field: str, value: object) -> datetime:
    """Return the moment, which has a zone and lies before 2200. Raises InvalidOption."""
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise InvalidOption(field, _("must be a moment with its zone, like +00:00"))
    if not 1970 <= value.year < LAST_YEAR:
        problem = _("must lie between the years %(first)s and %(last)s")
        raise InvalidOption(field, problem % {"first": 1970, "last": LAST_YEAR - 1})
    return value


def _check_expression(rule: Rule) -> None:
    Cron.parse(rule.expression)


def _check_every(rule: Rule) -> None:
    every = rule.every
    is_number = isinstance(every, int | float) and not isinstance(every, bool)
    if every is None or not is_number or not SHORTEST_EVERY <= every <= LONGEST_EVERY:
        raise InvalidOption("every", _("must lie between 1 s and ten years"))


def _check_at(rule: Rule) -> None:
    checked_moment("at", rule.at)


_CHECKS: dict[str, Callable[[Rule], None]] = {
    CRON: _check_expression,
    EVERY: _check_every,
    AFTER: _check_every,
    ONCE: _check_at,
}


def _check_range(rule: Rule) -> None:
    if rule.starts_at is None or rule.ends_at is None:
        return
    if rule.ends_at <= rule.starts_at:
        raise InvalidOption("ends_at", _("must lie after the beginning"))
    has_moments = next(rule.moments(rule.starts_at - TICK), None) is not None
    if not has_moments and rule.kind != AFTER:
        raise InvalidOption("ends_at", _("leaves no moment between beginning and end"))


def _check_calendar(rule: Rule, days: Days, since: datetime) -> None:
    allowed = _ON_DAY_OFF[rule.kind]
    if rule.on_day_off not in allowed:
        raise InvalidOption("on_day_off", _not_allowed(rule.on_day_off, allowed))
    first = since.astimezone(rule.tz).date()
    if working_day(days, first, _DAY) is None:
        raise InvalidOption("calendar", _without_working_days(first))
    if rule.on_day_off == RUN or rule.kind == AFTER:
        return
    _check_number_moved(rule)
    is_due = next(rule.moments(since, before=since + _TEN_YEARS, due=True), None)
    is_over = rule.ends_at is not None and rule.ends_at < since
    if is_due is None and not is_over:
        problem = _("every moment of the rule falls on a day off")
        raise InvalidOption("calendar", problem)


def _not_allowed(on_day_off: str, allowed: tuple[str, ...]) -> str:
    problem = _("must be one of %(expected)s here: only cron expressions can be moved")
    if on_day_off == SKIP:
        problem = _(
            "must be one of %(expected)s here: only cron expressions and intervals can"
            " be skipped"
        )
    return problem % {"expected": ", ".join(allowed)}


def _without_working_days(first: date) -> str:
    problem = _("has no working day within %(days)s days of %(first)s")
    return problem % {"days": LONGEST_BLOCK, "first": first.isoformat()}


def _check_number_moved(rule: Rule) -> None:
    if rule.kind != CRON or rule.on_day_off == SKIP:
        return
    times = Cron.parse(rule.expression).times_a_day
    if times > MOST_MOVED:
        problem = _(
            "%(times)s times a day are too many to move, at most %(most)s are: skip them"
        )
        facts = {"times": f"{times:,}", "most": f"{MOST_MOVED:,}"}
        raise InvalidOption("on_day_off", problem % facts)
