"""How much memory a job may hold and how much it may log."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.registry import Task
from tasks.task_limits import MOST_OUTPUT


@dataclass(frozen=True)
class Limits:
    """A worker's limits, in bytes, for jobs whose tasks name none."""

    #: 0: as much as there is.
    memory: int = 0
    output: int = MOST_OUTPUT

    def memory_of(self, task: Task | None) -> int:
        """Return the bytes that a job, with all that it starts, may hold; 0: any."""
        own = task.memory if task else None
        return self.memory if own is None else own

    def output_of(self, task: Task | None) -> int:
        """Return the bytes of log that an attempt may write."""
        own = task.output if task else None
        return self.output if own is None else own
