"""Calendars and rules for the tests of schedules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tasks.schedules.days_off import Moment
from tasks.schedules.rule import Rule

SHANGHAI = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True)
class Week:
    """Saturday and Sunday are off, and other days as they are named."""

    off: frozenset[date] = field(default_factory=frozenset)
    work: frozenset[date] = field(default_factory=frozenset)

    def is_working(self, day: date) -> bool:
        return day in self.work or (day not in self.off and day.weekday() < 5)


@dataclass(frozen=True)
class Only:
    """One working day in all time."""

    day: date

    def is_working(self, day: date) -> bool:
        return day == self.day


def october(*days: int) -> frozenset[date]:
    return frozenset(date(2026, 10, day) for day in days)


#: China's National Day of 2026: off from the 1st to the 7th, and the 10th is worked.
GOLDEN_WEEK = Week(off=october(1, 2, 3, 4, 5, 6, 7), work=october(10))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def cron(expression: str, **settings: Any) -> Rule:
    return Rule(
        kind="cron", expression=expression, **{"zone": "Asia/Shanghai", **settings}
    )


def dates(moments: Iterable[Moment], verdict: str) -> list[int]:
    """Return the days of the month, by the clocks of Shanghai, of one verdict."""
    found = [
        one.due_at.astimezone(SHANGHAI) for one in moments if one.verdict == verdict
    ]
    return [local.day for local in found]


def in_october(rule: Rule) -> list[Moment]:
    return list(
        rule.moments(at("2026-10-01T00:00+08:00"), before=at("2026-10-14T00:00+08:00"))
    )
