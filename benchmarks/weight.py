"""The bytes that a job takes in Redis, while it waits and when it has ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import harness
from benchmarks.fleet import SECONDS_PER_JOB, enqueue, forget, wait_for, workers
from benchmarks.peers.catalog import QUEUE, TASKYARD
from benchmarks.redis_load import used_memory
from benchmarks.report import Table, short
from tasks.broker import keys
from tasks.broker.client import get_client


@dataclass(frozen=True)
class Bytes:
    """What one tiny job takes in Redis, all keys and lists counted."""

    queued_by_stock: float
    queued_by_submit: float
    finished_of_stock: float
    finished_of_submit: float
    #: By key and without its job's id, as MEMORY USAGE says for one finished job.
    keys_of_stock: dict[str, int]
    keys_of_submit: dict[str, int]


def measure_bytes(data: Path, jobs: int) -> Bytes:
    """Weigh queues of jobs before and after a worker ran them."""
    stock = _weigh(data, jobs, lambda: enqueue(TASKYARD, TASKYARD.mark, range(jobs)))
    ours = _weigh(data, jobs, lambda: _submit(jobs))
    return Bytes(stock[0], ours[0], stock[1], ours[1], stock[2], ours[2])


def _submit(jobs: int) -> None:
    # They need Django, which the workplace has set up.
    from benchmarks.jobs import mark_async
    from tasks import submit_many

    for start in range(0, jobs, 1_000):
        submit_many(
            [mark_async.s(number) for number in range(start, min(start + 1_000, jobs))]
        )


def _weigh(
    data: Path, jobs: int, fill: Callable[[], None]
) -> tuple[float, float, dict[str, int]]:
    """Return the bytes per queued job, per finished one, and those of one's keys."""
    forget(jobs)
    empty = used_memory()
    fill()
    queued = _weight(empty, jobs)
    with workers(data, TASKYARD, 1) as fleet:
        wait_for(range(jobs), fleet, 60 + jobs * SECONDS_PER_JOB)
        finished = keys.finished(QUEUE)
        client: Any = get_client()
        harness.wait_until(lambda: client.zcard(finished) == jobs, "their settling")
        kept = _keys_of(client.zrange(finished, 0, 0)[0].decode())
    return queued, _weight(empty, jobs), kept


def _weight(empty: int, jobs: int) -> float:
    """Return bytes per job without the events, which the recorder takes away."""
    get_client().delete(keys.EVENTS)
    return (used_memory() - empty) / jobs


def _keys_of(job_id: str) -> dict[str, int]:
    client: Any = get_client()
    return {
        key.decode().replace(job_id, "<id>"): client.memory_usage(key, samples=0)
        for key in client.scan_iter(f"*{job_id}*", 10_000)
    }


def table_of(taken: Bytes) -> Table:
    rows = [
        ["queued", short(taken.queued_by_stock), short(taken.queued_by_submit)],
        ["finished", short(taken.finished_of_stock), short(taken.finished_of_submit)],
        *_key_rows(taken),
    ]
    return Table("bytes in Redis per tiny job", ("by", "stock client", "submit"), rows)


def _key_rows(taken: Bytes) -> list[list[str]]:
    ours, stock = taken.keys_of_submit, taken.keys_of_stock
    return [
        [f"  of it {key}", str(stock.get(key, "-")), str(ours.get(key, "-"))]
        for key in sorted(ours.keys() | stock.keys())
    ]
