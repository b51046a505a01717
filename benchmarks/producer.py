"""Puts jobs into a queue, in a process and a virtual environment of its own.

    python -m benchmarks.producer MODULE JOB FIRST LAST RATE

With a rate of 0, the numbered jobs go in as fast as the queue's best API allows; with
another, they come at that rate, whether or not earlier ones have started, and each notes
when it was due.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import sys
import time
from typing import Any

from benchmarks import marks

#: Jobs that one call of a bulk API carries, and calls that are made at once without one.
BULK, AT_ONCE = 1_000, 100


#: Jobs per second that single calls are made for, and the seconds of a tick beyond it.
SINGLY, TICK = 1_000, 0.002


async def produce(queue: Any, job: str, numbers: range, rate: float) -> None:
    if hasattr(queue, "open"):
        await queue.open()
    if rate:
        await _steadily(queue, job, numbers, rate)
    else:
        await _at_once(queue, job, numbers)
    if hasattr(queue, "close"):
        await queue.close()


async def _at_once(queue: Any, job: str, numbers: range) -> None:
    if hasattr(queue, "enqueue_many"):
        for start in range(0, len(numbers), BULK):
            queue.enqueue_many(job, numbers[start : start + BULK])
    elif inspect.iscoroutinefunction(queue.enqueue):
        for start in range(0, len(numbers), AT_ONCE):
            some = numbers[start : start + AT_ONCE]
            await asyncio.gather(*(queue.enqueue(job, number) for number in some))
    else:
        for number in numbers:
            queue.enqueue(job, number)


async def _steadily(queue: Any, job: str, numbers: range, rate: float) -> None:
    """Enqueue at a rate; beyond what single calls can do, those of each TICK at once."""
    size = max(1, round(rate * TICK)) if rate > SINGLY else 1
    first, times = time.time(), marks.opened().times
    for start in range(0, len(numbers), size):
        await asyncio.sleep(max(0.0, first + start / rate - time.time()))
        some = numbers[start : start + size]
        now = time.time()
        for number in some:
            times[4 * number + marks.DUE] = now
        called = (
            queue.enqueue_many(job, some) if size > 1 else queue.enqueue(job, *some)
        )
        if inspect.isawaitable(called):
            await called


def main() -> None:
    module, job, first, last, rate = sys.argv[1:]
    numbers = range(int(first), int(last))
    queue = importlib.import_module(module)
    asyncio.run(produce(queue, job, numbers, float(rate)))


if __name__ == "__main__":
    main()
