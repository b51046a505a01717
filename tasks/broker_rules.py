"""What the state of Redis says that needs a person: each rule looks at one snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

from tasks.admission import FULL_AT
from tasks.broker.snapshot import Snapshot
from tasks.broker.workers import WorkerInfo
from tasks.concerns import (
    Concern,
    EvictionOn,
    LogOff,
    LongWait,
    LoopBlocked,
    MemoryShort,
    NoWorker,
    ProcessMissing,
    QueuePaused,
    QueueUnserved,
    RecorderBehind,
    TwoVersions,
    WorkerQuiet,
)
from tasks.models import Job, Pause
from tasks.reports import SILENCE_LIMIT, WAIT_LIMIT, live_workers, wait_of

#: Unrecorded events from which pages lag visibly.
LAG_LIMIT = 10_000

#: Concerns that a rule returns, at most.
CONCERNS = 5


def paused_queues(snapshot: Snapshot, pauses: Mapping[str, Pause]) -> Sequence[Concern]:
    held = [q for q in snapshot.queues if q.waiting and q.name in pauses]
    held.sort(key=lambda queue: queue.waiting, reverse=True)
    return [QueuePaused(pauses[q.name], q.waiting) for q in held[:CONCERNS]]


def blocked_loops(snapshot: Snapshot) -> Iterator[Concern]:
    found = [worker for worker in live_workers(snapshot) if worker.blocked_since]
    blocked = found[:CONCERNS]
    held = [worker.blocked_job_id for worker in blocked if worker.blocked_job_id]
    jobs = Job.objects.in_bulk(held) if held else {}
    for worker in blocked:
        blocked_for = snapshot.at - (worker.blocked_since or snapshot.at)
        yield LoopBlocked(worker, blocked_for, jobs.get(worker.blocked_job_id or ""))


def unserved_queues(snapshot: Snapshot) -> Iterator[Concern]:
    live = live_workers(snapshot)
    waiting = sum(queue.waiting for queue in snapshot.queues)
    if not live:
        yield NoWorker(waiting)
        return
    served = _served(live)
    alone = [q for q in snapshot.queues if q.waiting and q.name not in served]
    if alone:
        yield QueueUnserved(
            tuple(queue.name for queue in alone[:CONCERNS]),
            sum(queue.waiting for queue in alone),
            max(wait_of(queue, snapshot.at) for queue in alone),
        )


def _served(live: Iterable[WorkerInfo]) -> set[str]:
    """Return the queues from which a live worker takes jobs."""
    return {name for worker in live if not worker.is_quiet for name in worker.queues}


def long_waits(snapshot: Snapshot) -> Iterator[Concern]:
    served = _served(live_workers(snapshot))
    slow = [
        LongWait(queue.name, wait_of(queue, snapshot.at), queue.waiting)
        for queue in snapshot.queues
        if queue.name in served and wait_of(queue, snapshot.at) > WAIT_LIMIT
    ]
    yield from sorted(slow, key=lambda found: found.wait, reverse=True)[:CONCERNS]


def missing_processes(snapshot: Snapshot) -> Iterator[Concern]:
    alive = {
        name.partition(":")[0]
        for name, seen_at in snapshot.liveness.items()
        if snapshot.at - seen_at <= SILENCE_LIMIT
    }
    for process in ("scheduler", "recorder"):
        if process not in alive:
            yield ProcessMissing(process)


def lagging_recorder(snapshot: Snapshot) -> Iterator[Concern]:
    if snapshot.events_lag > LAG_LIMIT:
        yield RecorderBehind(snapshot.events_lag)


def short_memory(snapshot: Snapshot) -> Iterator[Concern]:
    redis = snapshot.redis
    if redis.max_bytes and redis.used_bytes >= FULL_AT * redis.max_bytes:
        yield MemoryShort(redis.used_bytes, redis.max_bytes)


def eviction(snapshot: Snapshot) -> Iterator[Concern]:
    if snapshot.redis.policy != "noeviction":
        yield EvictionOn(snapshot.redis.policy)


def log_off(snapshot: Snapshot) -> Iterator[Concern]:
    if not snapshot.redis.aof:
        yield LogOff()


def quiet_workers(snapshot: Snapshot) -> Iterator[Concern]:
    quiet = [worker for worker in live_workers(snapshot) if worker.quiet_since]
    for worker in quiet[:CONCERNS]:
        since = worker.quiet_since or snapshot.at
        yield WorkerQuiet(worker, max(timedelta(0), snapshot.at - since))


def mixed_versions(snapshot: Snapshot) -> Iterator[Concern]:
    live = live_workers(snapshot)
    versions = tuple(sorted({worker.version for worker in live if worker.is_ours}))
    if len(versions) > 1:
        yield TwoVersions(versions)


#: What is judged without the queues that somebody holds back on purpose.
RULES: tuple[Callable[[Snapshot], Iterator[Concern]], ...] = (
    blocked_loops,
    unserved_queues,
    missing_processes,
    long_waits,
    short_memory,
    eviction,
    log_off,
    lagging_recorder,
    quiet_workers,
    mixed_versions,
)
