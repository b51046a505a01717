"""What waits and runs now, read in three round trips, changing nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tasks.broker import keys
from tasks.broker.client import broker_errors, get_client
from tasks.broker.logs import LogLine, read_log, tail_log
from tasks.broker.wire import parse_date
from tasks.broker.workers import WorkerInfo, parse_worker

__all__ = [
    "LogLine",
    "Progress",
    "QueueDepth",
    "RedisHealth",
    "Snapshot",
    "WorkerInfo",
    "read_log",
    "read_progress",
    "read_snapshot",
    "tail_log",
]


@dataclass(frozen=True)
class RedisHealth:
    #: Redis or Valkey.
    product: str
    version: str
    used_bytes: int
    #: 0: no limit.
    max_bytes: int
    policy: str
    aof: bool
    #: Whether the log could not be written, so that Redis takes no changes.
    is_log_stuck: bool = False


@dataclass(frozen=True)
class QueueDepth:
    name: str
    waiting: int
    running: int
    scheduled: int
    deferred: int
    oldest_id: str | None
    oldest_enqueued_at: datetime | None


@dataclass(frozen=True)
class Snapshot:
    at: datetime
    redis: RedisHealth
    queues: tuple[QueueDepth, ...]
    workers: tuple[WorkerInfo, ...]
    #: Jobs that wait for a moment to come.
    delayed: int
    #: Events that are not in the ledger yet.
    events_lag: int
    #: "kind:host:pid" of schedulers and recorders to when each last said it was well.
    liveness: Mapping[str, datetime]


@dataclass(frozen=True)
class Progress:
    done: float
    total: float | None
    text: str

    @property
    def percent(self) -> int | None:
        """The part done, 0 to 100, where the total is known."""
        if not self.total:
            return None
        return max(0, min(100, int(100 * self.done / self.total)))


def read_snapshot() -> Snapshot:
    """Return what Redis holds now. Raises BrokerUnavailable."""
    with broker_errors():
        client: Any = get_client()
        with client.pipeline(transaction=False) as pipeline:
            pipeline.time()
            pipeline.info()
            pipeline.smembers(keys.QUEUES)
            pipeline.smembers(keys.WORKERS)
            pipeline.zcount(keys.DELAYED, 0, "+inf")  # without the witness
            pipeline.xlen(keys.EVENTS)
            pipeline.hgetall(keys.LIVENESS)
            time, info, queues, workers, delayed, lag, liveness = pipeline.execute()
        names = sorted(_text(key).removeprefix(keys.queue("")) for key in queues)
        depths, hashes = _read_details(client, names, sorted(workers))
    seconds, microseconds = time
    return Snapshot(
        datetime.fromtimestamp(seconds + microseconds / 1e6, UTC),
        _health(info),
        tuple(depths),
        tuple(parse_worker(key, fields) for key, fields in hashes if fields),
        delayed,
        lag,
        {_text(name): _seconds(value) for name, value in liveness.items()},
    )


def _read_details(
    client: Any, names: list[str], workers: list[bytes]
) -> tuple[list[QueueDepth], list[tuple[bytes, dict[bytes, bytes]]]]:
    with client.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.llen(keys.queue(name))
            pipeline.zcard(keys.wip(name))
            pipeline.zcard(keys.scheduled(name))
            pipeline.zcard(keys.deferred(name))
            pipeline.lindex(keys.queue(name), 0)
        for key in workers:
            pipeline.hgetall(key)
        answers = pipeline.execute()
    counts = [answers[i : i + 5] for i in range(0, 5 * len(names), 5)]
    since = _enqueued_at(client, [_text(first[4]) for first in counts if first[4]])
    depths = []
    for name, (waiting, running, scheduled, deferred, first) in zip(
        names, counts, strict=True
    ):
        oldest = _text(first) if first else None
        at = since.get(oldest) if oldest else None
        depths.append(
            QueueDepth(name, waiting, running, scheduled, deferred, oldest, at)
        )
    return depths, list(zip(workers, answers[5 * len(names) :], strict=True))


def _enqueued_at(client: Any, job_ids: list[str]) -> dict[str, datetime | None]:
    with client.pipeline(transaction=False) as pipeline:
        for job_id in job_ids:
            pipeline.hget(keys.job(job_id), "enqueued_at")
        answers = pipeline.execute(raise_on_error=False)
    return {
        job_id: parse_date(answer) if isinstance(answer, bytes) else None
        for job_id, answer in zip(job_ids, answers, strict=True)
    }


def _health(info: Mapping[str, Any]) -> RedisHealth:
    return RedisHealth(
        product_of(info),
        str(info.get("valkey_version") or info.get("redis_version", "")),
        int(info.get("used_memory", 0)),
        int(info.get("maxmemory", 0)),
        str(info.get("maxmemory_policy", "")),
        bool(info.get("aof_enabled", 0)),
        info.get("aof_last_write_status", "ok") != "ok",
    )


def product_of(info: Mapping[str, Any]) -> str:
    """Return which server answered an INFO."""
    return "Valkey" if "valkey_version" in info else "Redis"


def read_progress(job_ids: Iterable[str]) -> dict[str, Progress]:
    """Return how far running jobs are, where they said so. Raises BrokerUnavailable."""
    ids = list(job_ids)
    with broker_errors(), get_client().pipeline(transaction=False) as pipeline:
        for job_id in ids:
            pipeline.hget(keys.job(job_id), "ty:progress")
        answers = pipeline.execute(raise_on_error=False)
    said = zip(ids, map(_progress, answers), strict=True)
    return {job_id: progress for job_id, progress in said if progress}


def _progress(answer: Any) -> Progress | None:
    return parse_progress(answer) if isinstance(answer, bytes) else None


def parse_progress(text: bytes | str | Mapping[str, Any]) -> Progress | None:
    """Return the progress that a job said, or None for what is none."""
    try:
        said = text if isinstance(text, Mapping) else json.loads(text)
        total = said.get("total")
        return Progress(
            float(said["done"]),
            None if total is None else float(total),
            str(said.get("text", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _seconds(value: bytes) -> datetime:
    return datetime.fromtimestamp(float(value), UTC)
