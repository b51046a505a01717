"""Workers that died with jobs in hand: their leases, and what becomes of the jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tasks import stored_words
from tasks.broker import keys
from tasks.broker.client import broker_errors, get_client
from tasks.broker.scripts import Value, invoke
from tasks.broker.wire import format_date, pack_traceback
from tasks.broker.workers import WorkerInfo, parse_worker
from tasks.broker.writes import write
from tasks.conf import get_config

#: The end of a lease whose worker is known to be dead.
SEVERED = "0"

#: Attempts that one call ends, about 20 µs each, and one sweep at most: the scheduler has
#: other things to do as well.
SWEPT_AT_ONCE, MOST_SWEPT = 50, 10_000

#: Leases that are looked at together.
LOOK_AT_ONCE = 250

_EXC_STRING = pack_traceback(f"WorkerLost: {stored_words.WORKER_LOST}")[1]


@dataclass(frozen=True)
class Loss:
    """An attempt that ended with its worker, and the state that its job is in now."""

    job_id: str
    state: str
    worker: str


def sweep(queue: str, until: str = "") -> list[Loss]:
    """End the attempts of one queue whose lease has ended, MOST_SWEPT of them at most.

    `until` is the latest end of a lease, in Unix seconds; "" is now. Returns what became
    of jobs that ran. Raises BrokerUnavailable.
    """
    found: list[Loss] = []
    for _call in range(MOST_SWEPT // SWEPT_AT_ONCE):
        ended, losses = _sweep_once(queue, until)
        found += losses
        if ended < SWEPT_AT_ONCE:
            break
    return found


def _sweep_once(queue: str, until: str) -> tuple[int, list[Loss]]:
    quarantines = int(get_config().taskyard_quarantine)
    args: list[Value] = [queue, SWEPT_AT_ONCE, until, quarantines, _EXC_STRING]
    with broker_errors():
        ended, *told = invoke(get_client(), "sweep", (), args)
    parts = map(_text, told)
    return ended, list(map(Loss, parts, parts, parts))


def read_workers() -> tuple[list[WorkerInfo], datetime]:
    """Return the registered workers, and the time by Redis. Raises BrokerUnavailable."""
    with broker_errors():
        client: Any = get_client()
        members = sorted(client.smembers(keys.WORKERS))
        with client.pipeline(transaction=False) as pipeline:
            pipeline.time()
            for key in members:
                pipeline.hgetall(key)
            (seconds, micros), *hashes = pipeline.execute()
    pairs = zip(members, hashes, strict=True)
    workers = [parse_worker(key, fields) for key, fields in pairs if fields]
    return workers, datetime.fromtimestamp(seconds + micros / 1e6, UTC)


def strike_off(worker: WorkerInfo) -> None:
    """End a dead worker's registration, as it would have done itself.

    Raises BrokerUnavailable.
    """
    key = keys.worker(worker.name)
    gone: list[list[Value]] = [
        ["SREM", keys.queue_workers(queue), key] for queue in worker.queues
    ]
    gone += [["SREM", keys.WORKERS, key], ["HDEL", key, "ty:seen"]]
    gone += [["HSET", key, "death", format_date(datetime.now(UTC))]]
    gone += [["EXPIRE", key, 60], ["PUBLISH", keys.LIVE, '{"kind": "worker"}']]
    with broker_errors():
        write(gone)


def sever(worker: WorkerInfo) -> None:
    """Let the leases of a dead worker end now. Raises BrokerUnavailable."""
    for queue in worker.queues:
        for members in _leases(queue):
            mine = _held_by(worker.name, members)
            pairs = [part for member in mine for part in (SEVERED, member)]
            if pairs:
                with broker_errors():
                    write([["ZADD", keys.lease(queue), "XX", *pairs]])


def left_by_stock_workers(queues: Sequence[str]) -> list[str]:
    """Return jobs that stock workers took and do not run, by RQ's own heartbeat.

    They are in no list of ours, so a ledger that has not heard of them meets them nowhere
    else. Raises BrokerUnavailable.
    """
    found: dict[str, None] = {}
    with broker_errors():
        now: Any = get_client().time()
        with get_client().pipeline(transaction=False) as pipeline:
            for queue in queues:
                pipeline.zrangebyscore(keys.wip(queue), 0, now[0], 0, LOOK_AT_ONCE)
                pipeline.lrange(keys.intermediate(queue), 0, LOOK_AT_ONCE - 1)
            answers = iter(pipeline.execute(raise_on_error=False))
    for members, taken in zip(answers, answers, strict=True):
        if isinstance(members, list):
            found.update((_text(member).rpartition(":")[0], None) for member in members)
        if isinstance(taken, list):
            found.update((_text(job_id), None) for job_id in taken)
    return list(found)


def _leases(queue: str) -> Iterator[list[str]]:
    cursor = -1
    while cursor:
        with broker_errors():
            client: Any = get_client()
            at = max(cursor, 0)
            cursor, found = client.zscan(keys.lease(queue), at, count=LOOK_AT_ONCE)
        yield [_text(member) for member, _end in found]


def _held_by(worker: str, members: list[str]) -> list[str]:
    """Return those leases whose job says that the worker runs it."""
    with broker_errors(), get_client().pipeline(transaction=False) as pipeline:
        for member in members:
            job_id = member.rpartition(":")[0]
            pipeline.hmget(keys.job(job_id), "worker_name", "ty:exec")
        answers = pipeline.execute(raise_on_error=False)
    return [
        member
        for member, answer in zip(members, answers, strict=True)
        if answer == [worker.encode(), member.rpartition(":")[2].encode()]
    ]


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
