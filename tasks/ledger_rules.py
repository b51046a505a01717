"""What the ledger, and the disk beside it, say that needs a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet

from tasks.broker.snapshot import Snapshot
from tasks.concerns import (
    Concern,
    DataLost,
    JobsHeld,
    JobsQuarantined,
    NeverStart,
    ResultsSpooled,
    TaskFailing,
    WorkerLost,
    WorkersGone,
)
from tasks.conf import get_config
from tasks.loss_reports import read_lost_workers
from tasks.models import Dependency, Epoch, Job
from tasks.reports import FAILURES, HOUR
from tasks.states import ENDED, SET_ASIDE, State
from tasks.worker.spool import folder_of, waiting_in

#: A task fails often from so many failures, and from this share of its runs, in an hour.
FAILURES_LIMIT = 3
SHARE_LIMIT = 0.2

#: How long a worker that was lost is news.
NEWS = timedelta(minutes=10)

#: Rows that a rule reads, and concerns that it returns, at most.
ROWS_READ = 10_000
CONCERNS = 5


def lost_workers(snapshot: Snapshot | None, now: datetime) -> Sequence[Concern]:
    """Return each whose jobs are not done with, and one that counts the others."""
    losses = [
        one for one in read_lost_workers(snapshot, now - NEWS) if not one.returned_at
    ]
    found: list[Concern] = [
        WorkerLost(loss, now - loss.last_seen_at if loss.last_seen_at else None)
        for loss in losses
        if not loss.is_settled
    ]
    settled = len(losses) - len(found)
    return [*found[:CONCERNS], *([WorkersGone(settled)] if settled else [])]


def lost_data() -> Sequence[Concern]:
    lost = Epoch.objects.filter(lost_at__isnull=False).values_list("lost_at", flat=True)
    return [DataLost(since) for since in lost[:1] if since]


def spooled_results() -> Sequence[Concern]:
    """Look for what workers of this machine could not hand in before they ended."""
    folder = folder_of(get_config().taskyard_data)
    files = waiting_in(folder)
    return [ResultsSpooled(len(files), folder)] if files else []


def jobs_set_aside() -> Sequence[Concern]:
    """Count the jobs that no retry brings back but a person's."""
    aside = Job.objects.in_state(*SET_ASIDE).order_by()
    counts = Counter(aside.values_list("state", flat=True)[:ROWS_READ])
    kinds = {State.QUARANTINED: JobsQuarantined, State.LOST: JobsHeld}
    return [kind(counts[state]) for state, kind in kinds.items() if counts[state]]


def failing_tasks(now: datetime) -> Sequence[Concern]:
    """Return the tasks that failed often in the last hour, with their usual exception."""
    since = now - HOUR
    newest = _newest_ended((State.FINISHED,), since).values_list("task", "ended_at")
    finished = list(newest[:ROWS_READ])
    done = Counter(task for task, _ended_at in finished)
    if len(finished) == ROWS_READ:
        # Of a busy hour only the newest rows are read; the failures from the same time.
        since = finished[-1][1] or since
    failures = _newest_ended(FAILURES, since).values_list("task", "error")
    errors = Counter(failures[:ROWS_READ])
    failed: Counter[str] = Counter()
    for (task, _error), number in errors.items():
        failed[task] += number
    return [
        TaskFailing(task, number, number + done[task], _usual_error(errors, task))
        for task, number in failed.most_common()
        if number >= FAILURES_LIMIT and number >= SHARE_LIMIT * (number + done[task])
    ][:CONCERNS]


def _newest_ended(states: Iterable[State], since: datetime) -> QuerySet[Job]:
    ended = Job.objects.in_state(*states).filter(ended_at__gte=since)
    return ended.order_by("-ended_at")


def _usual_error(errors: Mapping[tuple[str, str], int], task: str) -> str:
    named = {error: n for (name, error), n in errors.items() if name == task and error}
    return max(named, key=lambda error: named[error], default="")


def blocked_forever() -> Sequence[Concern]:
    """Count the jobs whose parent ended otherwise than they need, up to ROWS_READ."""
    ended_badly = Job.objects.in_state(*(ENDED - {State.FINISHED}))
    bad_parent = Dependency.objects.filter(
        child=OuterRef("id"), parent__in=ended_badly.values("id")
    )
    blocked = Job.objects.in_state(State.DEFERRED).filter(allow_failure=False)
    jobs = blocked.filter(Exists(bad_parent)).order_by()[:ROWS_READ].count()
    return [NeverStart(jobs)] if jobs else []
