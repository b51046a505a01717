"""What becomes of a moment that comes while earlier jobs of its schedule have not ended.

The jobs of backfills do not count: they are held to a number of their own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tasks import actions
from tasks.broker import jobs as broker_jobs
from tasks.errors import (
    BrokerUnavailable,
    JobNotFound,
    TransitionNotAllowed,
    WorkerUnreachable,
)
from tasks.models import Fire, Job, Schedule
from tasks.models.schedule import Overlap
from tasks.policy import Actor
from tasks.states import ENDED, WAITING, State

logger = logging.getLogger(__name__)

#: The newest jobs of a schedule among which those are looked for that have not ended.
LOOKED_AT = 100


@dataclass(frozen=True)
class Unended:
    """A job of the schedule that has not ended, and whether it has begun."""

    id: str
    has_begun: bool = False


@dataclass(frozen=True)
class Place:
    """Where a new job stands: behind others, or nowhere because of one."""

    depends_on: tuple[str, ...] = ()
    blocked_by: str = ""


@dataclass
class Line:
    """The unended jobs of a schedule, oldest first, and those that join them."""

    overlap: str
    jobs: list[Unended] = field(default_factory=list)

    @property
    def takes_newest_only(self) -> bool:
        """Whether of several that come at once each would end the one before."""
        return self.overlap in _ENDING

    def place(self, job_id: str) -> Place:
        """Return where a job stands that comes now; it joins unless it is blocked."""
        place = _PLACES[Overlap(self.overlap)](self.jobs)
        if not place.blocked_by:
            self.jobs.append(Unended(job_id))
        return place

    def clear(self, actor: Actor) -> None:
        """End the jobs where the schedule wants that; those that run are asked to.

        Raises BrokerUnavailable, having ended some. Safe to repeat.
        """
        if self.overlap in _ENDING:
            self.jobs = [job for job in self.jobs if not _end(job, actor)]


def line_of(schedule: Schedule) -> Line:
    """Return what has not ended, by the ledger and, as that may lag, by Redis."""
    if schedule.overlap == Overlap.ALLOW:
        return Line(schedule.overlap)
    return Line(schedule.overlap, _unended(schedule))


def _unended(schedule: Schedule) -> list[Unended]:
    newest = Fire.objects.newest_jobs_of(schedule).values_list("job_key", flat=True)
    ids = list(newest[:LOOKED_AT])
    open_jobs = Job.objects.filter(pk__in=ids).exclude(state__in=ENDED)
    rows = {row.pk: row for row in open_jobs.only("state", "attempt_count")}
    states = _states_by_redis(list(rows))
    return [
        Unended(job_id, _has_begun(rows[job_id], states.get(job_id)))
        for job_id in reversed(ids)
        if job_id in rows and states.get(job_id) not in ENDED
    ]


def _states_by_redis(job_ids: list[str]) -> dict[str, State]:
    """Return what Redis knows; the ledger's word stands where it does not answer."""
    if not job_ids:
        return {}
    try:
        return broker_jobs.known_states(job_ids)
    except BrokerUnavailable:
        return {}


def _has_begun(job: Job, state: State | None) -> bool:
    """Say whether a job runs, or did and waits to be tried again."""
    return job.attempt_count > 0 or (state or job.state) not in WAITING


def _end(job: Unended, actor: Actor) -> bool:
    """Take a job out that waits, or ask the one that runs to end; say whether it is over."""
    try:
        actions.cancel(actor, job.id)
    except TransitionNotAllowed:
        return _ask_to_end(job, actor)
    except JobNotFound:
        pass
    return True


def _ask_to_end(job: Unended, actor: Actor) -> bool:
    try:
        actions.stop(actor, job.id)
    except TransitionNotAllowed as error:  # it ended just now
        return error.state in ENDED
    except WorkerUnreachable as error:
        logger.warning("%s", error, extra={"action": "schedule_stop_unheard"})
    except JobNotFound:
        return True
    return False


# Where a new job stands, by the schedule's choice.


def _beside(_jobs: Sequence[Unended]) -> Place:
    return Place()


def _unless_any(jobs: Sequence[Unended]) -> Place:
    return Place(blocked_by=jobs[-1].id) if jobs else Place()


def _behind_unless_one_waits(jobs: Sequence[Unended]) -> Place:
    waiting = [job for job in jobs if not job.has_begun]
    return Place(blocked_by=waiting[-1].id) if waiting else _behind_running(jobs)


def _behind_all(jobs: Sequence[Unended]) -> Place:
    """Stand behind what runs and the last in line, which stands behind the others."""
    last = [job.id for job in jobs[-1:] if not job.has_begun]
    return Place(depends_on=(*_behind_running(jobs).depends_on, *last))


def _behind_running(jobs: Sequence[Unended]) -> Place:
    return Place(depends_on=tuple(job.id for job in jobs if job.has_begun))


_PLACES: dict[Overlap, Callable[[Sequence[Unended]], Place]] = {
    Overlap.ALLOW: _beside,
    Overlap.SKIP: _unless_any,
    Overlap.QUEUE_ONE: _behind_unless_one_waits,
    Overlap.QUEUE_ALL: _behind_all,
    Overlap.CANCEL: _behind_running,
    Overlap.STOP: _beside,
}

#: Those that end the earlier jobs.
_ENDING = frozenset({Overlap.CANCEL, Overlap.STOP})
