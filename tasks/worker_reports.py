"""The read side of the workers and the other processes that live: frozen, bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tasks.broker.snapshot import Snapshot
from tasks.broker.workers import WorkerInfo
from tasks.loss_reports import KEPT_FOR, LostWorker, read_lost_workers
from tasks.models import Job
from tasks.reports import MANY_ROWS, SILENCE_LIMIT
from tasks.worker_actions import legal_verbs


@dataclass(frozen=True)
class WorkerRow:
    """A worker, the job that it told of last, and the one that blocks its loop."""

    info: WorkerInfo
    up_for: timedelta | None
    job: Job | None
    blocked_for: timedelta | None
    blocking_job: Job | None
    is_odd_version: bool
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


def read_roster(snapshot: Snapshot | None, now: datetime) -> Roster:
    """Return every worker of the last 24 hours, each once unless it came back."""
    lost = read_lost_workers(snapshot, now - KEPT_FOR)
    gone = {one.worker for one in lost if one.returned_at is None}
    return Roster(read_workers(snapshot, gone) if snapshot else None, lost)


def read_workers(snapshot: Snapshot, gone: Container[str] = ()) -> list[WorkerRow]:
    """Return a row for each worker that answers, by name, but for those that are gone."""
    live = [
        worker
        for worker in snapshot.workers
        if worker.is_alive(snapshot.at) and worker.name not in gone
    ]
    workers = sorted(live, key=lambda worker: worker.name)[:MANY_ROWS]
    held = {id for w in workers for id in (w.current_job_id, w.blocked_job_id) if id}
    jobs = Job.objects.in_bulk(held)
    versions = Counter(worker.version for worker in workers if worker.is_ours)
    usual = max(versions, key=lambda version: versions[version], default="")
    return [
        WorkerRow(
            info=worker,
            up_for=_since(worker.born_at, snapshot.at),
            job=jobs.get(worker.current_job_id or ""),
            blocked_for=_since(worker.blocked_since, snapshot.at),
            blocking_job=jobs.get(worker.blocked_job_id or ""),
            is_odd_version=worker.is_ours and worker.version != usual,
            verbs=legal_verbs(worker, snapshot.at),
        )
        for worker in workers
    ]


def _since(moment: datetime | None, now: datetime) -> timedelta | None:
    return now - moment if moment else None


def read_processes(snapshot: Snapshot) -> list[ProcessRow]:
    """Return a row for each process that signs `taskyard:liveness`."""
    return [
        ProcessRow(name, seen_at, snapshot.at - seen_at <= SILENCE_LIMIT)
        for name, seen_at in sorted(snapshot.liveness.items())[:MANY_ROWS]
    ]
