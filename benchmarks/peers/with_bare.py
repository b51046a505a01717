"""A bare loop: takes jobs off a list and awaits them, with no bookkeeping but a result.

It is what asyncio and Redis allow on a machine, and it loses what it holds when it ends.

    python -m benchmarks.peers.with_bare CONCURRENCY
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import uuid
from collections.abc import Sequence
from typing import Any

import redis
import redis.asyncio
import uvloop

from benchmarks import marks

QUEUE = "bare"

#: Seconds that a result is kept, and connections for writing results.
RESULT_TTL, CONNECTIONS = 600, 50


CLIENT = redis.Redis.from_url(os.environ["REDIS_URL"])


def enqueue(_job: str, number: int) -> None:
    CLIENT.lpush(QUEUE, _message(number, 0))


def enqueue_many(_job: str, numbers: Sequence[int], seconds: float) -> None:
    CLIENT.lpush(QUEUE, *(_message(number, seconds) for number in numbers))


def _message(number: int, seconds: float) -> str:
    return json.dumps({"id": uuid.uuid4().hex, "args": [number, seconds]})


async def work(concurrency: int) -> None:
    url = os.environ["REDIS_URL"]
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url, max_connections=CONNECTIONS, timeout=None
    )
    results = redis.asyncio.Redis(connection_pool=pool)
    # redis-py 8 gives up a blocking read after 5 s unless it is told not to.
    queue: Any = redis.asyncio.Redis.from_url(url, socket_timeout=None)
    free, running = asyncio.Semaphore(concurrency), set()
    while True:
        await free.acquire()
        _name, message = await queue.brpop(QUEUE, timeout=0)
        task = asyncio.create_task(_run(results, free, json.loads(message)))
        running.add(task)
        task.add_done_callback(running.discard)


async def _run(results: Any, free: asyncio.Semaphore, job: dict[str, Any]) -> None:
    try:
        await marks.doze(*job["args"])
        await results.set(f"bare:result:{job['id']}", '{"ok": true}', ex=RESULT_TTL)
    finally:
        free.release()


if __name__ == "__main__":
    uvloop.run(work(int(sys.argv[1])))
