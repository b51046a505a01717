"""What the page of one job shows: the ledger's words joined with Redis' live ones."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from tasks import actions
from tasks.board import Board
from tasks.broker.breakers import Holder, read_holder
from tasks.broker.snapshot import (
    LogLine,
    Progress,
    parse_progress,
    read_progress,
    tail_log,
)
from tasks.diagnosis import Reason, explain_waiting
from tasks.errors import BrokerUnavailable
from tasks.job_details import JobDetails, place_of, read_details
from tasks.job_reports import ran_for, waited_for
from tasks.models import Job
from tasks.policy import Actor
from tasks.registry import Task, registry
from tasks.schedules.fire_reports import Origin, find_origin
from tasks.setbacks import Setback, explain_setback
from tasks.states import State
from tasks.tracebacks import Section, split_traceback

#: Lines of a running job's log that the page shows; the rest is one link away.
LINES_SHOWN = 300

#: The verb that policy asks about, where it has another name there.
POLICY_VERBS = {"run_again": "submit"}

#: What the ledger accepts and keeps while Redis is out.
KEPT_VERBS = frozenset({"run_again", "mark_failed"})


@dataclass(frozen=True)
class JobView:
    """All that the page of one job shows."""

    job: Job
    details: JobDetails
    #: The task, where this process knows it.
    task: Task | None
    verbs: Sequence[str]
    reaches_redis: bool
    may_submit: bool
    reason: Reason | None
    setback: Setback | None
    #: The due moment of a schedule that it came of.
    origin: Origin | None
    progress: Progress | None
    lines: Sequence[LogLine]
    more_lines: bool
    traceback: Sequence[Section]
    now: datetime

    @property
    def place(self) -> str:
        return place_of(self.job.worker, self.details.host)

    @property
    def waited(self) -> timedelta | None:
        return waited_for(self.job, self.now)

    @property
    def ran(self) -> timedelta | None:
        return ran_for(self.job, self.now)

    @property
    def most_attempts(self) -> int:
        return max(self.job.retries + 1, self.job.attempt_count)

    @property
    def is_slow(self) -> bool:
        """Whether the job runs longer than 95 of 100 of its task did."""
        usual, ran = self.details.usual, self.ran
        return bool(self.job.state == State.STARTED and usual and ran and ran > usual)


def read_job_view(job: Job, board: Board, actor: Actor) -> JobView:
    """Read all of it: a fixed number of queries, at most two questions to Redis."""
    now = timezone.now()
    details = read_details(job, now)
    snapshot = None if board.outage else board.snapshot
    progress, lines = _read_live(job) if snapshot else (_kept_progress(job), [])
    holder = _read_holder(job) if snapshot else None
    return JobView(
        job=job,
        details=details,
        task=registry.find(job.task),
        verbs=_allowed(job, actor, reaches_redis=snapshot is not None),
        reaches_redis=snapshot is not None,
        may_submit=actor.may("submit"),
        reason=explain_waiting(job, details.parents.rows, snapshot, now, holder),
        setback=explain_setback(job, details.attempts, details.history, now),
        origin=find_origin(job.id),
        progress=progress,
        lines=lines[-LINES_SHOWN:],
        more_lines=len(lines) > LINES_SHOWN,
        traceback=_sections(job, details.traceback),
        now=now,
    )


def _sections(job: Job, traceback: str) -> list[Section]:
    """Return the traceback's sections; none where it says no more than the message."""
    return (
        [] if traceback.strip() == job.message.strip() else split_traceback(traceback)
    )


def _allowed(job: Job, actor: Actor, *, reaches_redis: bool) -> list[str]:
    """Return the verbs to offer: legal, permitted, and possible without Redis if out."""
    return [
        verb
        for verb in actions.legal_verbs(job)
        if actor.may(POLICY_VERBS.get(verb, verb))
        and (reaches_redis or verb in KEPT_VERBS)
    ]


def _read_live(job: Job) -> tuple[Progress | None, list[LogLine]]:
    """Return what a running job says now; what is kept where Redis does not answer."""
    if job.state == State.STARTED:
        with contextlib.suppress(BrokerUnavailable):
            progress = read_progress([job.id]).get(job.id)
            return progress, tail_log(job.id, LINES_SHOWN + 1)
    return _kept_progress(job), []


def _read_holder(job: Job) -> Holder | None:
    if job.state == State.SCHEDULED:
        with contextlib.suppress(BrokerUnavailable):
            return read_holder(job.id)
    return None


def _kept_progress(job: Job) -> Progress | None:
    return parse_progress(job.progress) if job.progress else None
