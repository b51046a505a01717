"""What schedules, and what became of their moments, say that needs a person."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from django.db.models import Count, Exists, Min, OuterRef

from tasks.broker.snapshot import Snapshot
from tasks.concerns import (
    Concern,
    ScheduleOverdue,
    ScheduleRefused,
    SchedulesUnserved,
)
from tasks.models import Fire, Schedule
from tasks.models.fire import Verdict
from tasks.registry import registry
from tasks.reports import live_workers
from tasks.schedules.fire_words import word_fire
from tasks.schedules.overdue import OVERDUE_AFTER

#: Who runs within this time should have a worker by now.
SOON = timedelta(hours=24)

#: Rows that a rule reads, and concerns that it returns, at most.
ROWS_READ = 1_000
CONCERNS = 5


def overdue_schedules(now: datetime) -> Sequence[Concern]:
    """Return one concern for all whose moment passed and which nobody decided."""
    overdue = Schedule.objects.overdue(now - OVERDUE_AFTER).order_by("next_at")
    late = list(overdue.values_list("name", "next_at")[:ROWS_READ])
    return [
        ScheduleOverdue(name, len(late), now - next_at)
        for name, next_at in late[:1]
        if next_at
    ]


def unserved_schedules(snapshot: Snapshot, now: datetime) -> Sequence[Concern]:
    """Return the queues to which schedules send jobs soon and that no worker takes.

    Where there is no worker at all, that is said already.
    """
    live = [one for one in live_workers(snapshot) if not one.is_quiet]
    if not live:
        return []
    served = {queue for worker in live for queue in worker.queues}
    alone = [one for one in _soon(now) if one.queue not in served]
    return alone[:CONCERNS]


def _soon(now: datetime) -> Iterator[SchedulesUnserved]:
    """Yield for each queue how many schedules send jobs to it soon, and from when on."""
    coming = Schedule.objects.filter(enabled=True, next_at__lt=now + SOON).order_by()
    groups = coming.values_list("queue", "task").annotate(
        Count("id"), Min("next_at"), Min("name")
    )
    found: dict[str, SchedulesUnserved] = {}
    for queue, task, number, next_at, name in groups[:ROWS_READ]:
        known = registry.find(task)
        target = queue or (known.queue if known else "")
        one = SchedulesUnserved(target, number, name, next_at)
        found[target] = found[target].with_others(one) if target in found else one
    # Where the task is unknown, each moment is refused, which another rule tells of.
    return (found[target] for target in sorted(found) if target)


def refused_schedules() -> Sequence[Concern]:
    """Return the schedules whose moments were refused of late, one and all."""
    kept = Fire.objects.filter(
        schedule=OuterRef("schedule"), due_at__gt=OuterRef("due_at"), backfill=None
    )
    refused = Fire.objects.filter(
        ~Exists(kept.exclude(verdict=Verdict.REFUSED)),
        verdict=Verdict.REFUSED,
        backfill=None,
        schedule__enabled=True,
    )
    newest = refused.select_related("schedule").order_by("-decided_at")[:ROWS_READ]
    by_schedule: dict[str, list[Fire]] = defaultdict(list)
    for fire in newest:
        by_schedule[fire.schedule.name].append(fire)
    return [_refusal(name, fires) for name, fires in by_schedule.items()][:CONCERNS]


def _refusal(name: str, fires: Sequence[Fire]) -> ScheduleRefused:
    """Return the concern of one schedule's refused moments, newest first."""
    return ScheduleRefused(
        name,
        moments=sum(fire.count for fire in fires),
        since=min(fire.due_at for fire in fires),
        reason=word_fire(fires[0], fires[0].schedule.zone),
    )
