"""What the state of Redis says that needs a person: each rule looks at one snapshot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

from tasks.admission import FULL_AT
from tasks.broker.breakers import OpenBreaker
from tasks.broker.snapshot import Snapshot
from tasks.broker.workers import WorkerInfo
from tasks.checks import SKEW_BAD
from tasks.concerns import (
    BreakerOpen,
    ClockWrong,
    Concern,
    EvictionOn,
    LogOff,
    LogStuck,
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


def stuck_log(snapshot: Snapshot) -> Iterator[Concern]:
    if snapshot.redis.is_log_stuck:
        yield LogStuck()


def wrong_clocks(snapshot: Snapshot) -> Iterator[Concern]:
    ahead = {one.host: one.clock_ahead for one in live_workers(snapshot)}
    wrong = [host for host, seconds in ahead.items() if abs(seconds) >= SKEW_BAD]
    for host in sorted(wrong)[:CONCERNS]:
        apart = timedelta(seconds=abs(ahead[host]))
        yield ClockWrong(host, apart, is_ahead=ahead[host] > 0)


def log_off(snapshot: Snapshot) -> Iterator[Concern]:
    if not snapshot.redis.aof:
        yield LogOff()


def quiet_workers(snapshot: Snapshot) -> Iterator[Concern]:
    quiet = [worker for worker in live_workers(snapshot) if worker.quiet_since]
    for worker in quiet[:CONCERNS]:
        since = worker.quiet_since or snapshot.at
        yield WorkerQuiet(worker, max(timedelta(0), snapshot.at - since))


def open_breakers(snapshot: Snapshot) -> Iterator[BreakerOpen]:
    found: dict[str, dict[str, OpenBreaker]] = defaultdict(dict)
    for worker in live_workers(snapshot):
        for breaker in worker.breakers:
            found[breaker.task][worker.name] = breaker
    for task, by_worker in sorted(found.items())[:CONCERNS]:
        yield _breaker_of(task, by_worker, snapshot)


def _breaker_of(
    task: str, by_worker: Mapping[str, OpenBreaker], snapshot: Snapshot
) -> BreakerOpen:
    breakers = by_worker.values()
    since = min(breaker.since for breaker in breakers)
    return BreakerOpen(
        task,
        tuple(sorted(by_worker)),
        failures=max(breaker.failures for breaker in breakers),
        held=sum(breaker.held for breaker in breakers),
        open_for=max(timedelta(0), snapshot.at - since),
        every=max(breaker.every for breaker in breakers),
    )


def mixed_versions(snapshot: Snapshot) -> Iterator[Concern]:
    live = live_workers(snapshot)
    versions = tuple(sorted({worker.version for worker in live if worker.is_ours}))
    if len(versions) > 1:
        yield TwoVersions(versions)


#: What is judged without the queues that somebody holds back on purpose.
RULES: tuple[Callable[[Snapshot], Iterator[Concern]], ...] = (
    blocked_loops,
    open_breakers,
    unserved_queues,
    missing_processes,
    long_waits,
    stuck_log,
    short_memory,
    eviction,
    log_off,
    wrong_clocks,
    lagging_recorder,
    quiet_workers,
    mixed_versions,
)
