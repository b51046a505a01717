"""Telling that a schedule is overdue: a moment that passed and that nobody decided.

Schedulers look, and recorders too, as a scheduler that is gone is the main reason. A
column says which moment was told, so that of any number of processes one tells it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F

from tasks import signals
from tasks.models import Schedule
from tasks.schedules.clock import clock as redis_clock

logger = logging.getLogger(__name__)

#: A schedule whose moment has passed for so long is overdue.
OVERDUE_AFTER = timedelta(seconds=60)

#: Seconds between two looks of a process, and before its first one: a scheduler that
#: starts beside it decides what passed while all were down.
LOOK_EVERY = 10.0

#: Schedules of which one look tells.
AT_ONCE = 100


def note_overdue(now: datetime) -> int:
    """Tell of schedules that are overdue, and that no longer are; returns how many.

    Each tells it in the log and by a signal, once for each moment.
    """
    overdue = list(_newly_overdue(now))
    for schedule in overdue:
        _tell_overdue(schedule, now)
    caught_up = list(_caught_up())
    for name, due_at in caught_up:
        _tell_caught_up(name, due_at)
    return len(overdue) + len(caught_up)


def _newly_overdue(now: datetime) -> Iterator[Schedule]:
    """Yield those that this process is the first to tell of."""
    untold = Schedule.objects.overdue(now - OVERDUE_AFTER).exclude(
        told_overdue_at=F("next_due_at")
    )
    for schedule in untold[:AT_ONCE]:
        same = untold.filter(pk=schedule.pk, next_due_at=schedule.next_due_at)
        if same.order_by().update(told_overdue_at=schedule.next_due_at):
            yield schedule


def _caught_up() -> Iterator[tuple[str, datetime]]:
    told = Schedule.objects.filter(told_overdue_at__isnull=False)
    decided = told.filter(cursor__gte=F("told_overdue_at")).order_by()
    rows = decided.values_list("pk", "name", "told_overdue_at")[:AT_ONCE]
    for pk, name, due_at in list(rows):
        if due_at and decided.filter(pk=pk).update(told_overdue_at=None):
            yield name, due_at


def _tell_overdue(schedule: Schedule, now: datetime) -> None:
    overdue_for = now - (schedule.next_at or now)
    logger.warning(
        "schedule %s is overdue: nobody has decided the moment %s",
        schedule.name,
        schedule.next_due_at,
        extra={
            "action": "schedule_overdue",
            "schedule": schedule.name,
            "due_at": schedule.next_due_at,
            "overdue_for": overdue_for,
        },
    )
    signals.schedule_overdue.send_robust(
        Schedule,
        schedule=schedule.name,
        due_at=schedule.next_due_at,
        overdue_for=overdue_for,
    )


def _tell_caught_up(name: str, due_at: datetime) -> None:
    logger.info(
        "schedule %s is no longer overdue",
        name,
        extra={"action": "schedule_caught_up", "schedule": name, "due_at": due_at},
    )
    signals.schedule_caught_up.send_robust(Schedule, schedule=name, due_at=due_at)


@dataclass
class OverdueWatch:
    """Looks for overdue schedules every ten seconds, whatever else its process does."""

    ticks: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = redis_clock.now
    _next_at: float | None = None

    def step(self) -> None:
        """Look, if it is time; raises what the database raises, and then goes on."""
        ticks = self.ticks()
        is_due = self._next_at is not None and ticks >= self._next_at
        if self._next_at is None or is_due:
            self._next_at = ticks + LOOK_EVERY
        if is_due:
            note_overdue(self.now())
