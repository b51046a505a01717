"""What the scheduler asks of Redis: due jobs, forgotten entries, signs of life."""

from __future__ import annotations

import os
import socket
import time
from datetime import UTC, datetime
from typing import Any

from tasks.broker import keys
from tasks.broker.client import broker_errors, get_client
from tasks.broker.engine import LEASE_FOR
from tasks.broker.writes import write


def queue_names() -> list[str]:
    """Return every queue that Redis has heard of. Raises BrokerUnavailable."""
    with broker_errors():
        members: Any = get_client().smembers(keys.QUEUES)
    prefix = keys.queue("")
    names = (member.decode("utf-8", "replace") for member in members)
    return sorted(name.removeprefix(prefix) for name in names)


def server_is_young() -> bool:
    """Say whether Redis started so lately that workers may not have renewed a lease yet."""
    with broker_errors():
        info: Any = get_client().info("server")
    return bool(info["uptime_in_seconds"] < LEASE_FOR + 5)


def forget_expired(queue: str) -> None:
    """Drop registry entries of jobs that Redis has forgotten. Raises BrokerUnavailable."""
    with broker_errors(), get_client().pipeline(transaction=False) as pipeline:
        # Entries end by Redis' clock, not by this host's.
        now: Any = get_client().time()
        for registry in (keys.finished(queue), keys.failed(queue)):
            pipeline.zremrangebyscore(registry, 0, now[0])
        pipeline.execute()


def forget_workers() -> None:
    """Drop names from RQ's worker sets whose hash has expired. Raises BrokerUnavailable."""
    with broker_errors():
        client = get_client()
        members: Any = client.smembers(keys.WORKERS)
        for member in members:
            if client.exists(member):
                continue
            client.srem(keys.WORKERS, member)
            for queue in queue_names():
                client.srem(keys.queue_workers(queue), member)


def note_liveness(kind: str) -> None:
    """Say that this process is well. Raises BrokerUnavailable."""
    name = f"{kind}:{socket.gethostname()}:{os.getpid()}"
    with broker_errors():
        write([("HSET", keys.LIVENESS, name, f"{time.time():.3f}")])


def forget_liveness(kind: str) -> None:
    """Say that this process has ended, as it should. Raises BrokerUnavailable."""
    name = f"{kind}:{socket.gethostname()}:{os.getpid()}"
    with broker_errors():
        get_client().hdel(keys.LIVENESS, name)


def recorded_until() -> datetime:
    """Return the moment before which every event is in the ledger, by Redis' clock.

    Raises BrokerUnavailable.
    """
    with broker_errors():
        client: Any = get_client()
        oldest = client.xrange(keys.EVENTS, count=1)
        if oldest:
            milliseconds = int(oldest[0][0].partition(b"-")[0])
            return datetime.fromtimestamp(milliseconds / 1000, UTC)
        seconds, microseconds = client.time()
    return datetime.fromtimestamp(seconds + microseconds / 1e6, UTC)
