"""The tasks that Taskyard's worker runs; TASKYARD_TASKS names this module.

Their bodies are those that the peers run.
"""

from __future__ import annotations

import time

from benchmarks import marks
from tasks import task

QUEUE = "taskyard"


@task(queue=QUEUE)
async def mark_async(number: int) -> None:
    """Do nothing, on the worker's loop."""
    marks.mark(number)


@task(queue=QUEUE)
def mark(number: int) -> None:
    """Do nothing, in a child process of the worker."""
    marks.mark(number)


@task(queue=QUEUE)
async def note_async(number: int) -> None:
    """Note when the first line ran, on the worker's loop."""
    marks.note(number)


@task(queue=QUEUE)
def note(number: int) -> None:
    """Note when the first line ran, in a child process of the worker."""
    marks.note(number)


@task(queue=QUEUE)
async def doze(number: int, seconds: float) -> None:
    """Sleep on the worker's loop."""
    await marks.doze(number, seconds)


@task(queue=QUEUE)
async def note_start_async() -> int:
    """Return when the first line ran, on the worker's loop."""
    return time.time_ns()
