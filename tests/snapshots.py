"""Snapshots of Redis for tests that are about what pages and rules make of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from tasks.broker.snapshot import QueueDepth, RedisHealth, Snapshot, WorkerInfo


def make_queue(
    name: str = "default", *, waits_for: float = 0, **fields: Any
) -> QueueDepth:
    """Make a queue; `waits_for` seconds is the wait of its oldest job."""
    counts = {"waiting": 0, "running": 0, "scheduled": 0, "deferred": 0, **fields}
    since = timezone.now() - timedelta(seconds=waits_for) if waits_for else None
    return QueueDepth(name, oldest_id=None, oldest_enqueued_at=since, **counts)


def make_worker(
    name: str = "w1", *, silent_for: float = 1, **fields: Any
) -> WorkerInfo:
    """Make a worker of ours that beat `silent_for` seconds ago."""
    now = timezone.now()
    return WorkerInfo(
        **{
            "name": name,
            "host": "vm-3",
            "pid": 42,
            "queues": ("default",),
            "state": "idle",
            "born_at": now - timedelta(hours=1),
            "last_heartbeat": now - timedelta(seconds=silent_for),
            "version": "taskyard 0.1.0",
            "concurrency": 4,
            "running": 0,
            "current_job_id": None,
            "successful": 10,
            "failed": 0,
            "rss_bytes": 50_000_000,
            "loop_lag": 0.0,
            **fields,
        }
    )


def make_redis(**fields: Any) -> RedisHealth:
    facts = {"product": "Valkey", "version": "9.1", "used_bytes": 1_000_000}
    rest = {"max_bytes": 0, "policy": "noeviction", "aof": True}
    return RedisHealth(**{**facts, **rest, **fields})


def make_snapshot(
    *,
    queues: Iterable[QueueDepth] = (),
    workers: Iterable[WorkerInfo] | None = None,
    redis: RedisHealth | None = None,
    events_lag: int = 0,
    processes: Iterable[str] = ("scheduler", "recorder"),
    at: datetime | None = None,
) -> Snapshot:
    """Make a snapshot in which nothing is wrong, but for what is given."""
    at = at or timezone.now()
    return Snapshot(
        at=at,
        redis=redis or make_redis(),
        queues=tuple(queues),
        workers=(make_worker(),) if workers is None else tuple(workers),
        delayed=0,
        events_lag=events_lag,
        liveness={f"{kind}:vm-3:7": at for kind in processes},
    )
