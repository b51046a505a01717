from __future__ import annotations

import os

from taskiq_redis import ListQueueBroker

from benchmarks import marks

# redis-py 8 gives up a blocking read after 5 s, and the listener would end with it.
broker = ListQueueBroker(os.environ["REDIS_URL"], socket_timeout=None)


async def mark(number: int) -> None:
    marks.mark(number)


async def note(number: int) -> None:
    marks.note(number)


TASKS = {
    function.__name__: broker.task(task_name=function.__name__)(function)
    for function in (mark, note)
}


async def open() -> None:
    await broker.startup()


async def enqueue(name: str, number: int) -> None:
    await TASKS[name].kiq(number)


async def close() -> None:
    await broker.shutdown()
