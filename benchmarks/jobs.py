"""The tasks that Taskyard's worker runs; TASKYARD_TASKS names this module."""

from __future__ import annotations

import time

from benchmarks import plain
from tasks import task

QUEUE = "taskyard"


@task(queue=QUEUE)
async def note_start_async() -> int:
    """Return when the first line ran, on the worker's loop."""
    return time.time_ns()


@task(queue=QUEUE)
def note_start() -> int:
    """Return when the first line ran, in a child process of the worker."""
    return plain.note_start()
