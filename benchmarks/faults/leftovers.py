"""What Redis and the pages say when everything is quiet, for the invariants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.faults.yard import Yard
from tasks.broker import keys, stock_locks

#: Jobs that one pipeline asks about.
AT_ONCE = 1_000

#: RQ's word for each state of the ledger in which a job has ended.
STATUSES = {
    "finished": "finished",
    "failed": "failed",
    "lost": "failed",
    "quarantined": "failed",
    "stopped": "stopped",
    "canceled": "canceled",
}

#: Where RQ lists jobs that have ended.
REGISTRIES = {
    "finished": keys.finished,
    "failed": keys.failed,
    "stopped": keys.failed,
    "canceled": keys.canceled,
}

#: What no key may be called when nothing runs.
LOCKS = ("*-lock*", "*:lock*")


def disagreements(yard: Yard, states: Mapping[str, str]) -> Iterator[str]:
    """Yield jobs of which Redis says another end than the ledger, or two."""
    statuses = _statuses(yard, states)
    for job, status in statuses.items():
        expected = STATUSES.get(states[job])
        if expected and status != expected:
            yield f"{job}: {states[job]} in the ledger, {status} in Redis"
    homes: Counter[str] = Counter()
    for queue in queues(yard):
        for name in dict.fromkeys(REGISTRIES.values()):
            for member in _members(yard, name(queue)):
                homes[member] += 1
                if (status := statuses.get(member)) and REGISTRIES.get(status) != name:
                    yield f"{member}: {status}, but listed in {name(queue)}"
    yield from (f"{job}: in {n} registries" for job, n in homes.items() if n > 1)


def _statuses(yard: Yard, jobs: Mapping[str, str]) -> dict[str, str]:
    """Return what Redis says of those jobs that it still knows."""
    found: dict[str, str] = {}
    ids = list(jobs)
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        pipeline = yard.redis.pipeline(transaction=False)
        for job in some:
            pipeline.hget(keys.job(job), "status")
        answers = zip(some, pipeline.execute(), strict=True)
        found |= {job: status.decode() for job, status in answers if status}
    return found


def queues(yard: Yard) -> list[str]:
    members: Any = yard.redis.smembers(keys.QUEUES)
    return sorted(member.decode().removeprefix(keys.queue("")) for member in members)


def _members(yard: Yard, key: str) -> list[str]:
    return [member.decode() for member in yard.redis.zrange(key, 0, -1)]


def running(yard: Yard) -> Iterator[str]:
    """Yield every sign in Redis that something runs, waits or is held."""
    for queue in queues(yard):
        for key in (keys.lease(queue), keys.wip(queue)):
            yield from (f"{member} is in {key}" for member in _members(yard, key))
        if waiting := yard.redis.llen(keys.queue(queue)):
            yield f"{waiting} entries are in {keys.queue(queue)}"
    for key in yard.redis.scan_iter(keys.executions("*"), count=AT_ONCE):
        for member in _members(yard, key.decode()):
            yield f"{member} is in {key.decode()}"
    for pattern in LOCKS:
        for key in yard.redis.scan_iter(pattern, count=AT_ONCE):
            # Living schedulers have those of stock ones.
            if yard.redis.get(key) != stock_locks.OWNER.encode():
                yield f"the lock {key.decode()}"
    if events := yard.redis.xlen(keys.EVENTS):
        yield f"{events} events are not recorded"


def figures(yard: Yard, states: Counter[str]) -> Iterator[tuple[str, int, int]]:
    """Yield what the pages count: its name, their figure, and the true one."""
    from django.utils import timezone

    from tasks.board import forget_board, read_board
    from tasks.job_reports import count_states, find_jobs
    from tasks.reports import FAILURES, read_figures

    total = states.total()
    shown = count_states(find_jobs(), cap=total + 1, filtered=False)
    for state in sorted({*states, *shown.numbers}):
        yield f"jobs {state}", shown.numbers.get(state, 0), states[state]
    forget_board()
    overview = read_figures(read_board(), timezone.now())
    waiting = sum(yard.redis.llen(keys.queue(queue)) for queue in queues(yard))
    running = sum(yard.redis.zcard(keys.wip(queue)) for queue in queues(yard))
    failed = sum(states[state] for state in FAILURES)
    yield "waiting", overview.waiting or 0, waiting
    yield "running", overview.running or 0, running
    yield "done", overview.done, min(states["finished"], overview.cap)
    yield "failed", overview.failed, min(failed, overview.cap)
