"""Is anything wrong? Each rule looks at the facts and returns what needs a person.

Worst first; nothing found means that nothing is wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from tasks.broker.snapshot import Snapshot
from tasks.concerns import (
    ORDER,
    Concern,
    EvictionOn,
    LongWait,
    LoopBlocked,
    MemoryShort,
    NeverStart,
    NoWorker,
    ProcessMissing,
    QueuePaused,
    QueueUnserved,
    RecorderBehind,
    TaskFailing,
    TwoVersions,
    WorkerLost,
)
from tasks.models import Dependency, Job, Pause
from tasks.pauses import current_pauses
from tasks.reports import (
    FAILURES,
    HOUR,
    SILENCE_LIMIT,
    WAIT_LIMIT,
    live_workers,
    wait_of,
)
from tasks.states import ENDED, State

#: A task fails often from so many failures, and from this share of its runs, in an hour.
FAILURES_LIMIT = 3
SHARE_LIMIT = 0.2

#: Unrecorded events from which pages lag visibly.
LAG_LIMIT = 10_000

#: The share of Redis' memory from which it is nearly full.
MEMORY_LIMIT = 0.8

#: Rows that a rule reads, and concerns that it returns, at most.
ROWS_READ = 10_000
CONCERNS = 5


def judge(snapshot: Snapshot | None, now: datetime) -> list[Concern]:
    """Return what needs attention, worst first; without a snapshot, by the ledger only."""
    concerns: list[Concern] = []
    if snapshot is not None:
        pauses = current_pauses(now)
        concerns += paused_queues(snapshot, pauses)
        free = tuple(q for q in snapshot.queues if q.name not in pauses)
        # That jobs of a paused queue wait is no news, nor that nobody takes them.
        judged = replace(snapshot, queues=free)
        concerns += [found for rule in BROKER_RULES for found in rule(judged)]
    concerns += failing_tasks(now)
    concerns += blocked_forever()
    order = {kind: place for place, kind in enumerate(ORDER)}
    return sorted(concerns, key=lambda concern: order[type(concern)])


def paused_queues(snapshot: Snapshot, pauses: Mapping[str, Pause]) -> Sequence[Concern]:
    held = [q for q in snapshot.queues if q.waiting and q.name in pauses]
    held.sort(key=lambda queue: queue.waiting, reverse=True)
    return [QueuePaused(pauses[q.name], q.waiting) for q in held[:CONCERNS]]


def lost_workers(snapshot: Snapshot) -> Iterator[Concern]:
    lost = [w for w in snapshot.workers if not w.is_alive(snapshot.at)][:CONCERNS]
    held = [worker.current_job_id for worker in lost if worker.current_job_id]
    jobs = Job.objects.in_bulk(held) if held else {}
    for worker in lost:
        beat = worker.last_heartbeat
        silent_for = snapshot.at - beat if beat else None
        yield WorkerLost(worker, silent_for, jobs.get(worker.current_job_id or ""))


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
    served = {name for worker in live for name in worker.queues}
    alone = [q for q in snapshot.queues if q.waiting and q.name not in served]
    if alone:
        yield QueueUnserved(
            tuple(queue.name for queue in alone[:CONCERNS]),
            sum(queue.waiting for queue in alone),
            max(wait_of(queue, snapshot.at) for queue in alone),
        )


def long_waits(snapshot: Snapshot) -> Iterator[Concern]:
    live = live_workers(snapshot)
    served = {name for worker in live for name in worker.queues}
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
    if redis.max_bytes and redis.used_bytes > MEMORY_LIMIT * redis.max_bytes:
        yield MemoryShort(redis.used_bytes, redis.max_bytes)


def eviction(snapshot: Snapshot) -> Iterator[Concern]:
    if snapshot.redis.policy != "noeviction":
        yield EvictionOn(snapshot.redis.policy)


def mixed_versions(snapshot: Snapshot) -> Iterator[Concern]:
    live = live_workers(snapshot)
    versions = tuple(sorted({worker.version for worker in live if worker.is_ours}))
    if len(versions) > 1:
        yield TwoVersions(versions)


BROKER_RULES: tuple[Callable[[Snapshot], Iterator[Concern]], ...] = (
    lost_workers,
    blocked_loops,
    unserved_queues,
    missing_processes,
    long_waits,
    short_memory,
    eviction,
    lagging_recorder,
    mixed_versions,
)


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
