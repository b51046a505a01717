"""Workers as Redis knows them: registered, and listening, without a process."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from tasks.broker import keys
from tasks.broker.wire import format_date
from tests.engine import client

Hear = Callable[[], tuple[str, dict[str, Any]]]


def register(name: str, *, silent_for: float = 0, **fields: Any) -> None:
    """Write what a worker of ours says of itself; it beat `silent_for` seconds ago."""
    seen = time.time() - silent_for
    facts: dict[Any, Any] = {
        "hostname": "vm-3",
        "pid": 42,
        "queues": "default",
        "state": "idle",
        "version": "taskyard 0.1.0",
        "birth": format_date(datetime.fromtimestamp(seen - 60, UTC)),
        "last_heartbeat": format_date(datetime.fromtimestamp(seen, UTC)),
        "ty:concurrency": 4,
        **fields,
    }
    client().hset(keys.worker(name), mapping=facts)
    client().sadd(keys.WORKERS, keys.worker(name))


@contextmanager
def listening(name: str) -> Iterator[Hear]:
    """Listen as a worker does; `hear()` returns the channel and the command."""
    with client().pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe(keys.worker_commands(name), keys.CONTROL)
        for _each in range(2):
            channel.get_message(timeout=2)

        def hear() -> tuple[str, dict[str, Any]]:
            message = channel.get_message(timeout=2)
            assert message is not None
            return message["channel"].decode(), json.loads(message["data"])

        yield hear
