"""The read side of workers that are gone: how that was noticed, and what they held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, Window
from django.db.models.functions import RowNumber

from tasks.broker.snapshot import Snapshot
from tasks.broker.workers import WorkerInfo
from tasks.job_reports import read_rows
from tasks.models import Attempt, Job, Recovery
from tasks.states import SET_ASIDE, State

#: How long pages keep a worker that is gone.
KEPT_FOR = timedelta(hours=24)

#: Rows of the table of lost workers.
LOSSES = 50

#: Jobs of one worker that are counted, and that are shown.
COUNTED = 100
SHOWN = 8

#: Those that need a person come first, then those that have yet to end.
URGENCY = (
    *(State.LOST, State.QUARANTINED, State.FAILED, State.STARTED, State.QUEUED),
    *(State.SCHEDULED, State.DEFERRED, State.CREATED, State.STOPPED, State.CANCELED),
    State.FINISHED,
)

#: Those that need nobody; of the jobs that are set aside other words tell.
SETTLED = frozenset((State.FINISHED, State.STOPPED, State.CANCELED, *SET_ASIDE, ""))


@dataclass(frozen=True)
class Fate:
    """A job that a lost worker held, as it stands now; `state` "" if no longer kept."""

    job_id: str
    task: str = ""
    state: str = ""
    call: str = ""
    #: Who had its last attempt.
    worker: str = ""


@dataclass(frozen=True)
class LostWorker:
    """A worker that is gone."""

    worker: str
    host: str
    pid: int
    queues: tuple[str, ...]
    last_seen_at: datetime | None
    #: None where nobody has taken over its jobs yet.
    noticed_at: datetime | None
    #: lease or supervisor.
    noticed_by: str
    #: Jobs that it ran when it last told, and those that it could have run.
    running: int
    slots: int
    #: How many of the jobs that it held stand in each state now.
    states: Mapping[str, int]
    fates: tuple[Fate, ...]
    #: The jobs that it held; more than `states` tells of where they were many.
    held: int = 0
    #: When it answered again: it had been frozen, or cut off.
    returned_at: datetime | None = None

    @property
    def is_settled(self) -> bool:
        """Whether it was taken over, and nothing that it held runs, waits or failed."""
        return self.noticed_at is not None and SETTLED.issuperset(self.states)

    @property
    def more(self) -> int:
        """How many jobs that it held are not shown."""
        return max(0, self.held - len(self.fates))

    @property
    def noticed_after(self) -> timedelta | None:
        if self.noticed_at is None or self.last_seen_at is None:
            return None
        return max(timedelta(0), self.noticed_at - self.last_seen_at)


@dataclass(frozen=True)
class _Held:
    """What the ledger says of the jobs that some workers held."""

    states: Mapping[str, Mapping[str, int]]
    fates: Mapping[str, tuple[Fate, ...]]
    numbers: Mapping[str, int]


def read_lost_workers(snapshot: Snapshot | None, since: datetime) -> list[LostWorker]:
    """Return the workers that were lost since then, the last first.

    Those of which only Redis says that they are silent come before the others.
    """
    noticed = list(Recovery.objects.noticed_since(since)[:LOSSES])
    known = {recovery.worker for recovery in noticed}
    silent = [worker for worker in _silent(snapshot) if worker.name not in known]
    silent = silent[: LOSSES - len(noticed)]
    held = _read_held([*known, *(worker.name for worker in silent)], silent)
    return [
        *(_unnoticed(worker, held) for worker in silent),
        *(_noticed(row, held) for row in noticed),
    ]


def _silent(snapshot: Snapshot | None) -> list[WorkerInfo]:
    workers = snapshot.workers if snapshot else ()
    return [w for w in workers if snapshot and not w.is_alive(snapshot.at)]


def _unnoticed(worker: WorkerInfo, held: _Held) -> LostWorker:
    return LostWorker(
        worker=worker.name,
        host=worker.host,
        pid=worker.pid,
        queues=worker.queues,
        last_seen_at=worker.last_heartbeat,
        noticed_at=None,
        noticed_by="",
        running=worker.running,
        slots=worker.concurrency,
        states=held.states.get(worker.name, {}),
        fates=held.fates.get(worker.name, ()),
        held=held.numbers.get(worker.name, 0),
    )


def _noticed(row: Recovery, held: _Held) -> LostWorker:
    return LostWorker(
        worker=row.worker,
        host=row.host,
        pid=row.pid,
        queues=tuple(row.queues),
        last_seen_at=row.last_seen_at,
        noticed_at=row.noticed_at,
        noticed_by=row.noticed_by,
        running=row.running,
        slots=row.slots,
        states=held.states.get(row.worker, {}),
        fates=held.fates.get(row.worker, ()),
        held=held.numbers.get(row.worker, 0),
        returned_at=row.returned_at,
    )


def _read_held(names: Sequence[str], silent: Iterable[WorkerInfo]) -> _Held:
    """Read what became of the jobs that each of the workers held: three queries.

    Of a silent one only the job that it named last is known, until it is taken over.
    """
    last = {(w.name, w.current_job_id): None for w in silent if w.current_job_id}
    held: dict[str, list[str]] = {}
    for worker, job_id in _lost_attempts(names) | last:
        held.setdefault(worker, []).append(job_id)
    jobs = _light_jobs({job_id for ids in held.values() for job_id in ids})
    for ids in held.values():
        ids.sort(key=lambda job_id: _urgency(jobs.get(job_id)))
    shown = {worker: ids[:SHOWN] for worker, ids in held.items()}
    calls = _read_calls([job_id for ids in shown.values() for job_id in ids])
    return _Held(
        states={worker: _count_states(ids, jobs) for worker, ids in held.items()},
        fates={
            worker: tuple(_fate(job_id, jobs, calls) for job_id in ids)
            for worker, ids in shown.items()
        },
        numbers={worker: len(ids) for worker, ids in held.items()} | _count_many(held),
    )


def _count_many(held: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Count all jobs of the workers of which not all were read."""
    names = [worker for worker, ids in held.items() if len(ids) >= COUNTED]
    if not names:
        return {}
    lost = Attempt.objects.filter(worker__in=names, state=State.LOST).order_by()
    return dict(lost.values_list("worker").annotate(Count("job_key", distinct=True)))


def _lost_attempts(names: Sequence[str]) -> dict[tuple[str, str], None]:
    """Return the worker and the job of its newest lost attempts, each job once."""
    newest = Window(RowNumber(), F("worker"), F("ended_at").desc())
    lost = Attempt.objects.filter(worker__in=names, state=State.LOST).order_by()
    found = lost.annotate(place=newest).filter(place__lte=COUNTED)
    return dict.fromkeys(found.values_list("worker", "job_key"))


def _light_jobs(ids: Iterable[str]) -> dict[str, Job]:
    return Job.objects.only("task", "state", "worker").in_bulk(list(ids))


def _urgency(job: Job | None) -> int:
    return URGENCY.index(State(job.state)) if job else len(URGENCY)


def _count_states(ids: Iterable[str], jobs: Mapping[str, Job]) -> dict[str, int]:
    states = (jobs[job_id].state if job_id in jobs else "" for job_id in ids)
    return dict(Counter(states))


def _read_calls(ids: Sequence[str]) -> dict[str, str]:
    rows = read_rows(Job.objects.filter(pk__in=ids), limit=len(ids))
    return {row.id: row.call for row in rows}


def _fate(job_id: str, jobs: Mapping[str, Job], calls: Mapping[str, str]) -> Fate:
    job = jobs.get(job_id)
    if job is None:
        return Fate(job_id)
    return Fate(job_id, job.task, job.state, calls.get(job_id, ""), job.worker)
