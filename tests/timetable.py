"""Schedules, their Fires and backfills for tests: plain functions with defaults."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.models import Backfill, Calendar, Fire, Schedule
from tasks.models.fire import SUBMITTED, Verdict
from tasks.schedules.plans import plan
from tasks.states import State
from tests.factories import create_job

#: A Tuesday, an hour before the schedules of tests are due.
NOW = datetime(2026, 3, 10, 8, 0, tzinfo=UTC)

DAY = timedelta(days=1)


def create_schedule(
    name: str = "nightly", *, now: datetime = NOW, **fields: Any
) -> Schedule:
    """Create a schedule that is due daily at 09:00 UTC, made and planned at `now`."""
    schedule = Schedule(
        **{
            "name": name,
            "task": "tests.sample.add",
            "kwargs": {"a": 1},
            "expression": "0 9 * * *",
            "created_at": now,
            "changed_at": now,
            "cursor": now,
            **fields,
        }
    )
    plan(schedule, now)
    schedule.save(force_insert=True)
    return schedule


def create_fire(
    schedule: Schedule,
    due_at: datetime = NOW,
    verdict: Verdict = Verdict.RAN,
    *,
    state: State | None = None,
    **fields: Any,
) -> Fire:
    """Create the row of a due moment that was decided at once; with its job in `state`."""
    if state is not None:
        fields["job_key"] = create_job(state=state, created_at=due_at).id
    elif verdict in SUBMITTED:
        fields.setdefault("job_key", f"gone-{schedule.name}-{due_at.isoformat()}")
    facts = {"decided_at": due_at, **fields}
    return Fire.objects.create(
        schedule=schedule, due_at=due_at, verdict=verdict, **facts
    )


def create_fires(schedule: Schedule, number: int, **fields: Any) -> list[Fire]:
    """Create the rows of the last `number` days before NOW, the newest last."""
    days = range(number, 0, -1)
    return [create_fire(schedule, NOW - day * DAY, **fields) for day in days]


def create_backfill(schedule: Schedule, **fields: Any) -> Backfill:
    """Create a backfill of the three days before NOW."""
    facts = {"first_at": NOW - 3 * DAY, "last_at": NOW, "total": 3, **fields}
    return Backfill.objects.create(schedule=schedule, **facts)


def create_calendar(name: str = "cn", off: Iterable[str] = (), **days: Any) -> Calendar:
    """Create a calendar with days off, as ISO dates."""
    named = {"name": name, "off": list(off), "work": [], "weekends": [5, 6], **days}
    return Calendar.objects.create(name=name, days=named)
