from __future__ import annotations

import os
from typing import Any

import uvloop

uvloop.install()

from saq import Queue  # noqa: E402 - the loop's policy is set before

from benchmarks import marks  # noqa: E402


async def mark(_context: Any, *, number: int) -> None:
    marks.mark(number)


async def note(_context: Any, *, number: int) -> None:
    marks.note(number)


queue = Queue.from_url(os.environ["REDIS_URL"])
settings = {"queue": queue, "functions": [mark, note], "concurrency": 10}


async def open() -> None:
    await queue.connect()


async def enqueue(name: str, number: int) -> None:
    await queue.enqueue(name, number=number)
