"""The read side of backfills: how far each is, counted in one query."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Count, OuterRef, Subquery

from tasks.models import Backfill, Fire, Job, Schedule
from tasks.models.backfill import BackfillState
from tasks.schedules.errors import BackfillNotFound
from tasks.states import ENDED, State

#: Backfills of a schedule that are shown, the newest; each has 10,000 moments at most.
BACKFILLS_SHOWN = 10

_ENDED_BADLY = ENDED - {State.FINISHED, State.CANCELED}


@dataclass(frozen=True)
class BackfillRow:
    """A backfill and how far it is."""

    backfill: Backfill
    #: Moments that were decided; the jobs of them that finished, that went wrong, that
    #: were canceled, as an abort does with those that wait, and that have not ended.
    #: What was decided and is none of these was refused.
    decided: int
    done: int
    failed: int
    canceled: int
    unended: int

    @property
    def percent(self) -> float:
        """How much of it is decided, of 100."""
        total = self.backfill.total
        return min(100.0, 100 * self.decided / total) if total else 100.0


def get_backfill(number: int) -> Backfill:
    """Return the backfill with its schedule. Raises BackfillNotFound."""
    found = Backfill.objects.select_related("schedule").filter(pk=number).first()
    if found is None:
        raise BackfillNotFound(number)
    return found


def read_backfill(backfill: Backfill) -> BackfillRow:
    """Return how far one backfill is."""
    return _row(backfill, _count([backfill])[backfill.pk])


def read_backfills(
    schedule: Schedule, limit: int = BACKFILLS_SHOWN
) -> tuple[BackfillRow, ...]:
    """Return the newest backfills of a schedule, in two queries."""
    backfills = list(schedule.backfills.select_related("schedule")[:limit])
    counts = _count(backfills)
    return tuple(_row(backfill, counts[backfill.pk]) for backfill in backfills)


def _count(backfills: Iterable[Backfill]) -> Mapping[int, Counter[str]]:
    """Count the moments of each by the state of their job, "" where none is known."""
    state = Job.objects.filter(pk=OuterRef("job_key")).values("state")[:1]
    fires = Fire.objects.filter(backfill__in=list(backfills)).order_by()
    grouped = fires.annotate(outcome=Subquery(state)).values_list(
        "backfill_id", "outcome"
    )
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for number, outcome, moments in grouped.annotate(Count("id")):
        counts[number][outcome or ""] += moments
    return counts


def _row(backfill: Backfill, moments: Counter[str]) -> BackfillRow:
    is_done = backfill.state == BackfillState.DONE
    return BackfillRow(
        backfill,
        # Its Fires may be gone.
        decided=backfill.total if is_done else moments.total(),
        done=moments[State.FINISHED],
        failed=sum(moments[state] for state in _ENDED_BADLY),
        canceled=moments[State.CANCELED],
        unended=sum(moments[state] for state in State if state not in ENDED),
    )
