"""Functions that nobody decorated; TASKYARD_RQ_MODULES admits this module."""

from __future__ import annotations

import asyncio
import time
from typing import Any

_arrived = 0
_all_there = asyncio.Event()


def multiply(a: int, b: int) -> int:
    return a * b


async def meet(size: int) -> None:
    """Wait until so many run at once."""
    global _arrived
    _arrived += 1
    if _arrived == size:
        _all_there.set()
    await _all_there.wait()


def note_stop(job: Any, connection: Any) -> None:
    """A callback that leaves its word in the job's hash."""
    connection.hset(job.key, "told", "stop")


def note_late(job: Any, connection: Any, _result: object) -> None:
    """A callback that takes its time."""
    time.sleep(0.5)
    connection.hset(job.key, "told", "late")
