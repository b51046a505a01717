"""The read side of the workers and the other processes that live: frozen, bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tasks.broker.breakers import OpenBreaker
from tasks.broker.snapshot import Snapshot
from tasks.broker.workers import WorkerInfo
from tasks.loss_reports import KEPT_FOR, LostWorker, read_lost_workers
from tasks.models import Job
from tasks.reports import MANY_ROWS, SILENCE_LIMIT, live_workers
from tasks.worker_actions import legal_verbs

#: A worker tells of the worst lag of its loop for so long.
LAG_TOLD_FOR = timedelta(minutes=1)


@dataclass(frozen=True)
class WorkerRow:
    """A worker, the job that it has run longest, and the one that blocks its loop."""

    info: WorkerInfo
    up_for: timedelta | None
    job: Job | None
    blocked_for: timedelta | None
    blocking_job: Job | None
    is_odd_version: bool
    #: Whether its own coroutines held its loop up, as far as one can tell.
    is_slow: bool
    #: What it would obey now.
    verbs: tuple[str, ...]


@dataclass(frozen=True)
class ProcessRow:
    """A scheduler or recorder, and when it last said that it was well."""

    name: str
    seen_at: datetime
    is_alive: bool


@dataclass(frozen=True)
class Roster:
    """Who works, and who is gone; `live` None where nobody can say."""

    live: Sequence[WorkerRow] | None
    lost: Sequence[LostWorker]

    @property
    def verbs_for_all(self) -> frozenset[str]:
        """What some worker of several would obey, if all were told."""
        rows = self.live or ()
        offered = (
            {verb for row in rows for verb in row.verbs} if len(rows) > 1 else set()
        )
        return frozenset(offered & {"quiet", "wake"})


def read_roster(snapshot: Snapshot | None, now: datetime) -> Roster:
    """Return every worker of the last 24 hours, each once unless it came back."""
    lost = read_lost_workers(snapshot, now - KEPT_FOR)
    gone = {one.worker for one in lost if one.returned_at is None}
    thawed = {one.worker for one in lost if _is_just_back(one, now)}
    return Roster(read_workers(snapshot, gone, thawed) if snapshot else None, lost)


def _is_just_back(loss: LostWorker, now: datetime) -> bool:
    """Say whether the lag that a worker tells of may be that of its own absence."""
    return loss.returned_at is not None and now - loss.returned_at <= LAG_TOLD_FOR


def read_workers(
    snapshot: Snapshot, gone: Container[str] = (), thawed: Container[str] = ()
) -> list[WorkerRow]:
    """Return a row for each worker that answers, by name, but for those that are gone."""
    live = [
        worker
        for worker in snapshot.workers
        if worker.is_alive(snapshot.at) and worker.name not in gone
    ]
    workers = sorted(live, key=lambda worker: worker.name)[:MANY_ROWS]
    held = {id for w in workers for id in (w.current_job_id, w.blocked_job_id) if id}
    jobs = Job.objects.in_bulk(held)
    running = _longest_running()
    versions = Counter(worker.version for worker in workers if worker.is_ours)
    usual = max(versions, key=lambda version: versions[version], default="")
    return [
        WorkerRow(
            info=worker,
            up_for=_since(worker.born_at, snapshot.at),
            job=running.get(worker.name) or _unless_ended(jobs, worker.current_job_id),
            blocked_for=_since(worker.blocked_since, snapshot.at),
            blocking_job=jobs.get(worker.blocked_job_id or ""),
            is_odd_version=worker.is_ours and worker.version != usual,
            is_slow=worker.is_slow and worker.name not in thawed,
            verbs=legal_verbs(worker, snapshot.at),
        )
        for worker in workers
    ]


def _longest_running() -> dict[str, Job]:
    """Return a job of each worker, of those that run and were submitted first."""
    oldest = Job.objects.running().order_by("created_at")[:MANY_ROWS]
    return {job.worker: job for job in reversed(oldest)}


def _unless_ended(jobs: Mapping[str, Job], job_id: str | None) -> Job | None:
    """Return the job that a worker told of at its last beat, if that is still true."""
    job = jobs.get(job_id or "")
    return None if job is None or job.has_ended else job


def read_breakers(
    snapshot: Snapshot | None, task: str
) -> list[tuple[WorkerInfo, OpenBreaker]]:
    """Return the live workers that hold back jobs of a task."""
    return [
        (worker, breaker)
        for worker in (live_workers(snapshot)[:MANY_ROWS] if snapshot else ())
        for breaker in worker.breakers
        if breaker.task == task
    ]


def _since(moment: datetime | None, now: datetime) -> timedelta | None:
    return now - moment if moment else None


def read_processes(snapshot: Snapshot) -> list[ProcessRow]:
    """Return a row for each process that signs `taskyard:liveness`."""
    return [
        ProcessRow(name, seen_at, snapshot.at - seen_at <= SILENCE_LIMIT)
        for name, seen_at in sorted(snapshot.liveness.items())[:MANY_ROWS]
    ]
