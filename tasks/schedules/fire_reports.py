"""The read side of Fires: what became of the due moments of schedules, bounded."""

from __future__ import annotations

import operator
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce

from django.db.models import OuterRef, Q, Subquery

from tasks.models import Fire, Job, Schedule
from tasks.models.fire import Verdict
from tasks.schedules.fire_words import word_fire
from tasks.schedules.misfire import STANDS_FOR
from tasks.schedules.moments import jitter_of
from tasks.task_reports import FAILURES

#: Fires in the strip of a schedule, and on a page of its Fires.
STRIP = 20
FIRES_SHOWN = 50

#: Verdicts that were decided at the moment itself; the others came with an outage.
_PROMPT = (Verdict.RAN, Verdict.LATE, Verdict.SKIPPED, Verdict.REFUSED)


@dataclass(frozen=True)
class FireRow:
    """One due moment: what was decided, and how the job of it stands now."""

    due_at: datetime
    #: What the rule said, where a calendar moved it.
    nominal_at: datetime | None
    #: One of tasks.models.fire.Verdict.
    verdict: str
    decided_at: datetime
    #: How late it was decided, jitter left out; None where that says nothing.
    late_by: timedelta | None
    #: Moments that the row stands for, of which `due_at` is the last.
    count: int
    #: The job, "" where none came; and its state now, "" where nobody knows it any more.
    job_id: str
    outcome: str
    #: The id of the job that was in its way, or "".
    blocked_by: str
    #: A code for the reason, and the sentence for it in the reader's language; "" where
    #: it ran in time and nothing is to be said.
    reason: str
    sentence: str
    backfill_id: int | None = None

    @property
    def word(self) -> str:
        """The job's state where a job came (`State`), else the verdict (`Verdict`)."""
        return self.outcome or self.verdict

    @property
    def is_bad(self) -> bool:
        """Whether a person may have to look: missed, refused, or its job went wrong."""
        if self.verdict == Verdict.MISSED:
            return self.reason != STANDS_FOR
        return self.verdict == Verdict.REFUSED or self.outcome in FAILURES


@dataclass(frozen=True)
class FirePage:
    """Fires of one schedule, newest first."""

    rows: tuple[FireRow, ...]
    #: Ask for those before this moment next; None: there are none.
    next_before: datetime | None = None


@dataclass(frozen=True)
class Origin:
    """Which schedule a job came of."""

    schedule: str
    due_at: datetime
    #: The schedule's zone, in which people know the moment.
    zone: str
    verdict: str
    late_by: timedelta | None
    backfill_id: int | None

    @property
    def is_late(self) -> bool:
        """Whether it was decided later than the schedule's grace allows."""
        return self.verdict == Verdict.LATE


def read_strips(
    schedules: Iterable[Schedule],
) -> Mapping[uuid.UUID, tuple[FireRow, ...]]:
    """Return the last 20 Fires of each, the newest last, in three queries."""
    shown = {schedule.pk: schedule for schedule in schedules}
    strips: dict[uuid.UUID, list[Fire]] = {pk: [] for pk in shown}
    if shown:
        newest = Fire.objects.filter(_since(_beginnings(shown)), backfill=None)
        for fire in newest.order_by("due_at"):
            strips[fire.schedule_id].append(fire)
    states = _states_of([fire for strip in strips.values() for fire in strip])
    return {
        pk: tuple(_row(fire, shown[pk], states) for fire in strip)
        for pk, strip in strips.items()
    }


def _beginnings(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, datetime | None]:
    """Return the due moment with which each strip begins; None: all Fires are in it.

    Each is one hop along an index, however many Fires a schedule has: a window function
    would read them all.
    """
    own = Fire.objects.filter(schedule=OuterRef("pk"), backfill=None)
    first = own.order_by("-due_at").values("due_at")[STRIP - 1 : STRIP]
    found = Schedule.objects.filter(pk__in=list(ids)).order_by()
    return dict(
        found.annotate(strip_from=Subquery(first)).values_list("pk", "strip_from")
    )


def _since(beginnings: Mapping[uuid.UUID, datetime | None]) -> Q:
    ranges = (
        Q(schedule=pk) if begin is None else Q(schedule=pk, due_at__gte=begin)
        for pk, begin in beginnings.items()
    )
    return reduce(operator.or_, ranges, Q(pk__in=[]))


def read_fires(
    schedule: Schedule,
    *,
    before: datetime | None = None,
    backfill_id: int | None = None,
    limit: int = FIRES_SHOWN,
) -> FirePage:
    """Return Fires of a schedule or of one of its backfills, newest first."""
    found = Fire.objects.filter(schedule=schedule, backfill=backfill_id)
    if before is not None:
        found = found.filter(due_at__lt=before)
    # One more than asked for tells whether there is another page, without a count.
    read = list(found.order_by("-due_at")[: limit + 1])
    shown = read[:limit]
    states = _states_of(shown)
    return FirePage(
        rows=tuple(_row(fire, schedule, states) for fire in shown),
        next_before=shown[-1].due_at if len(read) > limit else None,
    )


def find_origin(job_id: str) -> Origin | None:
    """Return what fired a job; None for one that no schedule submitted."""
    # The index holds only the Fires that have a job, and SQLite wants to be told so.
    found = Fire.objects.filter(job_key=job_id).exclude(job_key="")
    fire = found.select_related("schedule").order_by().first()
    if fire is None:
        return None
    return Origin(
        schedule=fire.schedule.name,
        due_at=fire.due_at,
        zone=fire.schedule.zone,
        verdict=fire.verdict,
        late_by=_late_by(fire, fire.schedule),
        backfill_id=fire.backfill_id,
    )


def _states_of(fires: Iterable[Fire]) -> dict[str, str]:
    ids = [fire.job_key for fire in fires if fire.job_key]
    if not ids:
        return {}
    return dict(Job.objects.filter(pk__in=ids).order_by().values_list("pk", "state"))


def _row(fire: Fire, schedule: Schedule, states: Mapping[str, str]) -> FireRow:
    return FireRow(
        due_at=fire.due_at,
        nominal_at=fire.nominal_at,
        verdict=fire.verdict,
        decided_at=fire.decided_at,
        late_by=_late_by(fire, schedule),
        count=fire.count,
        job_id=fire.job_key,
        outcome=states.get(fire.job_key, ""),
        blocked_by=fire.blocked_by,
        reason=fire.reason,
        sentence=word_fire(fire, schedule.zone),
        backfill_id=fire.backfill_id,
    )


def _late_by(fire: Fire, schedule: Schedule) -> timedelta | None:
    """Return how late a moment was decided; of a backfill's all are in the past."""
    if fire.backfill_id is not None or fire.verdict not in _PROMPT:
        return None
    return max(timedelta(), fire.decided_at - fire.due_at - jitter_of(schedule))
