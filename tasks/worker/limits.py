"""How much memory a job may hold and how much it may write."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.registry import Task


@dataclass(frozen=True)
class Limits:
    """A worker's limits, in bytes, for jobs whose tasks name none; 0: any."""

    memory: int = 0
    output: int = 0

    def memory_of(self, task: Task | None) -> int:
        """Return the bytes that a job, with all that it starts, may hold; 0: any."""
        own = task.memory if task else None
        return self.memory if own is None else own

    def output_of(self, task: Task | None) -> int:
        """Return the bytes that an attempt may print and log; 0: any."""
        own = task.output if task else None
        return self.output if own is None else own
