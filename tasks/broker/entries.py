"""The entry of a worker in RQ's registry, as one writes its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tasks.broker import keys
from tasks.broker.scripts import Value
from tasks.broker.writes import Command

#: Seconds that stock readers keep a worker that stopped beating (RQ: worker_ttl + 60).
WORKER_TTL = 480

#: Seconds that they keep one that signed off.
GONE_TTL = 60


def registration(
    facts: Mapping[str, Value], queues: Sequence[str] = (), gone: Collection[str] = ()
) -> list[Value]:
    """Return what register.lua takes: facts to write, queues, and fields to remove."""
    args: list[Value] = [WORKER_TTL, len(gone), *gone, len(queues), *queues]
    for name, value in facts.items():
        args += [name, value]
    return args


def idleness(worker: str) -> list[Command]:
    """Return what says in RQ's terms that no job runs."""
    key = keys.worker(worker)
    return [("HDEL", key, "current_job"), ("HSET", key, "state", "idle")]


def departure(worker: str, queues: Sequence[str], died_at: str) -> list[Command]:
    """Return what signs a worker off, and tells the pages."""
    key = keys.worker(worker)
    return [
        ("SREM", keys.WORKERS, key),
        *(("SREM", keys.queue_workers(queue), key) for queue in queues),
        ("HSET", key, "death", died_at),
        ("EXPIRE", key, GONE_TTL),
        ("PUBLISH", keys.LIVE, '{"kind": "worker"}'),
    ]
