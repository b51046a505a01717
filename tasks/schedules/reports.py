"""The read side of schedules, for pages, REST and the command line: frozen, bounded.

The number of queries does not grow with the rows. Fires are in `fire_reports`, moments to
come in `outlook` and `timeline`, the code's values in `comparison`, backfills and
calendars in modules of their own.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from tasks.broker.snapshot import Snapshot
from tasks.errors import ScheduleNotFound
from tasks.models import Audit, Schedule
from tasks.models.schedule import ScheduleQuerySet
from tasks.reports import live_workers
from tasks.schedules.backfill_reports import BackfillRow, read_backfills
from tasks.schedules.checks import problem_of
from tasks.schedules.comparison import Comparison, compare
from tasks.schedules.fire_reports import FirePage, FireRow, read_fires, read_strips
from tasks.schedules.ordering import NAME, read_page
from tasks.schedules.outlook import (
    Collisions,
    Upcoming,
    find_collisions,
    on_queue,
    read_upcoming,
)
from tasks.schedules.overdue import OVERDUE_AFTER
from tasks.schedules.row_words import queue_of, word_call, word_rule
from tasks.schedules.unknown_tasks import is_declared_here
from tasks.strict_json import is_storable

#: Schedules on a page of the list, and entries of one's history.
SCHEDULES_SHOWN = 50
HISTORY_SHOWN = 20

#: Schedules that the overview shows.
COMING_SHOWN = 5

#: Names among which one is looked for that was meant.
_NAMES_READ = 10_000


@dataclass(frozen=True)
class ScheduleRow:
    """One schedule as the list shows it."""

    schedule: Schedule
    #: When this was read.
    now: datetime
    #: The rule in words, or the expression where it has none.
    words: str
    #: Its arguments, shortened: `(7015, amount=153)`.
    call: str
    #: Where its jobs go: its own queue or its task's; "" where nobody knows the task.
    queue: str
    #: Live workers that take jobs of the queue; None where Redis cannot be asked.
    workers: tuple[str, ...] | None
    #: The last 20 Fires, the newest last.
    strip: tuple[FireRow, ...]
    #: Why it cannot run as it is, in sentences; "" where it can.
    problem: str

    @property
    def name(self) -> str:
        return self.schedule.name

    @property
    def last(self) -> FireRow | None:
        """The newest Fire."""
        return self.strip[-1] if self.strip else None

    @property
    def last_run(self) -> FireRow | None:
        """The newest Fire of the strip of which a job came."""
        return next((fire for fire in reversed(self.strip) if fire.job_id), None)

    @property
    def next_at(self) -> datetime | None:
        """When it runs next, jitter included; None where it will not."""
        return self.schedule.next_at if self.schedule.enabled else None

    @property
    def next_in(self) -> timedelta | None:
        """How long until then; below zero where it has passed."""
        return self.next_at - self.now if self.next_at else None

    @property
    def overdue_since(self) -> datetime | None:
        """When it should have run, where that is over a minute ago."""
        is_overdue = self.next_at and self.next_at < self.now - OVERDUE_AFTER
        return self.next_at if is_overdue else None

    @property
    def is_unserved(self) -> bool:
        """Whether it is known that no live worker takes its jobs."""
        return self.schedule.enabled and self.workers == ()

    @property
    def is_declared(self) -> bool:
        return self.schedule.is_declared

    @property
    def may_be_deleted(self) -> bool:
        """Whether it would not come back from the code of this process."""
        return not is_declared_here(self.schedule)

    @property
    def overridden(self) -> tuple[str, ...]:
        """The fields in which a person's value stands before the code's."""
        return tuple(sorted(self.schedule.overrides))


@dataclass(frozen=True)
class ScheduleFilter:
    """Which schedules; every field that is empty leaves all."""

    #: A part of the name or of the task's, whatever the case.
    text: str = ""
    task: str = ""
    queue: str = ""
    #: The name of the calendar that they keep to.
    calendar: str = ""
    #: One of KINDS.
    kind: str = ""


#: What `ScheduleFilter.kind` may ask for.
KINDS = ("enabled", "disabled", "declared", "overdue")

ALL = ScheduleFilter()


@dataclass(frozen=True)
class ScheduleList:
    """One page of schedules, in the order that was asked for."""

    rows: tuple[ScheduleRow, ...]
    #: Ask for those after this mark, or before this one, next; "": there are none.
    next_after: str = ""
    previous_before: str = ""


@dataclass(frozen=True)
class ScheduleDetail:
    """All that the page of one schedule shows."""

    row: ScheduleRow
    #: Until five are due; () where it is disabled or over.
    upcoming: tuple[Upcoming, ...]
    collisions: Collisions
    fires: FirePage
    #: () for a schedule that people made.
    comparison: Sequence[Comparison]
    backfills: tuple[BackfillRow, ...]
    history: tuple[Audit, ...]

    @property
    def schedule(self) -> Schedule:
        return self.row.schedule


def get_schedule(name: str) -> Schedule:
    """Return the schedule's row with its calendar. Raises ScheduleNotFound."""
    known = Schedule.objects.select_related("calendar")
    found = known.filter(name=name).first() if is_storable(name) else None
    if found is None:
        names = Schedule.objects.values_list("name", flat=True)[:_NAMES_READ]
        nearest = difflib.get_close_matches(name, names, n=1)
        raise ScheduleNotFound(name, nearest[0] if nearest else None)
    return found


def find_schedules(wanted: ScheduleFilter, now: datetime) -> ScheduleQuerySet:
    """Return the schedules that fit."""
    found = on_queue(wanted.queue) if wanted.queue else Schedule.objects.all()
    if wanted.text:
        text = wanted.text
        found = found.filter(Q(name__icontains=text) | Q(task__icontains=text))
    if wanted.task:
        found = found.filter(task=wanted.task)
    if wanted.calendar:
        found = found.filter(calendar__name=wanted.calendar)
    match wanted.kind:
        case "enabled" | "disabled":
            found = found.filter(enabled=wanted.kind == "enabled")
        case "declared":
            found = found.filter(declared__isnull=False)
        case "overdue":
            found = found.overdue(now - OVERDUE_AFTER)
    return found


def read_schedules(
    snapshot: Snapshot | None,
    now: datetime,
    wanted: ScheduleFilter = ALL,
    *,
    order: str = NAME,
    after: str = "",
    before: str = "",
    limit: int = SCHEDULES_SHOWN,
) -> ScheduleList:
    """Return a page of schedules, those after a mark or before one, in four queries.

    By name, the default order, the marks are names.
    """
    found = find_schedules(wanted, now).select_related("calendar")
    page = read_page(found, order, after=after, before=before, limit=limit)
    return ScheduleList(
        rows=read_rows(page.rows, snapshot, now),
        next_after=page.next_after,
        previous_before=page.previous_before,
    )


def read_coming(
    snapshot: Snapshot | None, now: datetime, limit: int = COMING_SHOWN
) -> tuple[ScheduleRow, ...]:
    """Return the enabled schedules that run next, in four queries."""
    coming = Schedule.objects.filter(enabled=True, next_at__isnull=False)
    first = coming.select_related("calendar").order_by("next_at", "pk")[:limit]
    return read_rows(list(first), snapshot, now)


def read_rows(
    schedules: Sequence[Schedule], snapshot: Snapshot | None, now: datetime
) -> tuple[ScheduleRow, ...]:
    """Return a row for each, in three queries."""
    strips = read_strips(schedules)
    return tuple(
        ScheduleRow(
            schedule=schedule,
            now=now,
            words=word_rule(schedule),
            call=word_call(schedule),
            queue=queue_of(schedule),
            workers=takers_of(queue_of(schedule), snapshot),
            strip=strips[schedule.pk],
            problem=problem_of(schedule, now),
        )
        for schedule in schedules
    )


def takers_of(queue: str, snapshot: Snapshot | None) -> tuple[str, ...] | None:
    """Return the live workers that take jobs of a queue; None where nobody can tell."""
    if snapshot is None:
        return None
    live = (worker for worker in live_workers(snapshot) if not worker.is_quiet)
    return tuple(sorted(worker.name for worker in live if queue in worker.queues))


def read_schedule(
    schedule: Schedule, snapshot: Snapshot | None, now: datetime
) -> ScheduleDetail:
    """Return all that the page of a schedule shows, in a fixed number of queries."""
    (row,) = read_rows([schedule], snapshot, now)
    upcoming = read_upcoming(schedule, now)
    runs = [moment.runs_at for moment in upcoming if moment.is_due]
    return ScheduleDetail(
        row=row,
        upcoming=upcoming,
        collisions=find_collisions(row.queue, runs, besides=schedule.pk),
        fires=read_fires(schedule),
        comparison=compare(schedule),
        backfills=read_backfills(schedule),
        history=_read_history(schedule),
    )


def _read_history(schedule: Schedule) -> tuple[Audit, ...]:
    """Return who did what to it; a queue of the same name has entries of its own."""
    own = Q(verb__startswith="schedule.") | Q(verb__startswith="backfill.")
    return tuple(Audit.objects.filter(own, target=schedule.name)[:HISTORY_SHOWN])
