"""The row of a schedule as the rule that makes its moments."""

from __future__ import annotations

from datetime import timedelta

from tasks.models import Schedule
from tasks.schedules.calendars import Days
from tasks.schedules.rule import Rule, stable_offset


def rule_of(schedule: Schedule) -> Rule:
    """Return the rule; it was checked when it was saved.

    Raises InvalidOption where the machine no longer knows the zone. Reads the calendar,
    so select it with the row.
    """
    calendar = schedule.calendar
    return Rule(
        kind=schedule.kind,
        expression=schedule.expression,
        every=schedule.every,
        at=schedule.at,
        zone=schedule.zone,
        starts_at=schedule.starts_at,
        ends_at=schedule.ends_at,
        calendar=Days.from_json(calendar.days) if calendar else None,
        on_day_off=schedule.on_day_off,
    )


def jitter_of(schedule: Schedule) -> timedelta:
    """Return the schedule's share of its jitter."""
    return stable_offset(schedule.id, schedule.jitter)


def runs_left(schedule: Schedule) -> int | None:
    """Return how many more jobs it may submit; None: any number."""
    if schedule.most_fires is None:
        return None
    return max(0, schedule.most_fires - schedule.fired)
