"""arq, set to what suits it: its defaults (10 jobs, polled twice a second) run 200/s."""

from __future__ import annotations

import os
from typing import Any

import uvloop

uvloop.install()

from arq import create_pool  # noqa: E402 - the loop's policy is set before
from arq.connections import RedisSettings  # noqa: E402

from benchmarks import marks  # noqa: E402


async def mark(_context: Any, number: int) -> None:
    marks.mark(number)


async def note(_context: Any, number: int) -> None:
    marks.note(number)


class WorkerSettings:
    functions = [mark, note]
    redis_settings = RedisSettings.from_dsn(os.environ["REDIS_URL"])
    max_jobs = 1000
    poll_delay = 0.01


LOGGING = {
    "version": 1,
    "handlers": {"standard": {"class": "logging.StreamHandler"}},
    "loggers": {"arq": {"handlers": ["standard"], "level": "WARNING"}},
}

_pool: Any = None


async def open() -> None:
    global _pool
    _pool = await create_pool(WorkerSettings.redis_settings)


async def enqueue(name: str, number: int) -> None:
    await _pool.enqueue_job(name, number)
