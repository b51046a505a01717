"""Callbacks that stock RQ clients give their jobs: on success, on failure, on stop."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from tasks.broker.attempts import Claimed
from tasks.broker.current import ended_rq_job
from tasks.registry import registry
from tasks.worker.calls import (
    JobTimedOut,
    MemoryExceeded,
    ProcessDied,
    import_admitted,
)
from tasks.worker.context import JobContext
from tasks.worker.deadline import LAST_WORDS, deadline
from tasks.worker.threads import run_in_thread

logger = logging.getLogger(__name__)

#: Seconds that a callback may take (RQ's own default).
CALLBACK_TIMEOUT = 60.0

#: RQ's states at which a callback is called, and the beginning of its fields.
_FIELDS = {"finished": "success", "failed": "failure", "stopped": "stopped"}


@dataclass(frozen=True)
class Callback:
    """A function that is called when its job ends in one state."""

    path: str
    state: str
    timeout: float = CALLBACK_TIMEOUT

    def call(self, context: JobContext, *about: Any) -> None:
        """Call it as RQ does: with the job, its connection, and what came of it.

        It must be registered like any function; nothing else is imported. Raises what
        it raises, and JobTimedOut.
        """
        task = registry.find(self.path)
        function = task.function if task else import_admitted(self.path)
        job = ended_rq_job(context, self.state)
        if job is not None:
            with deadline(self.timeout):
                function(job, job.connection, *about)

    def call_quietly(self, context: JobContext, *about: Any) -> None:
        """Call it where its own failure changes nothing; that is logged."""
        try:
            self.call(context, *about)
        except Exception:
            logger.exception("callback %s of job %s failed", self.path, context.id)

    async def call_in_thread(self, context: JobContext, *about: Any) -> None:
        """Call it beside the loop, and wait no longer than it may take."""
        limit = self.timeout + LAST_WORDS if self.timeout > 0 else None
        async with asyncio.timeout(limit):
            await run_in_thread(self.call, context, *about)

    async def call_quietly_in_thread(self, context: JobContext, *about: Any) -> None:
        try:
            await self.call_in_thread(context, *about)
        except Exception:
            logger.exception("callback %s of job %s failed", self.path, context.id)


def callback_of(job: Claimed, state: str) -> Callback | None:
    """Return the callback that a job's client named for its end in `state`."""
    field = _FIELDS[state]
    path = job.text(f"{field}_callback_name")
    if not path:
        return None
    timeout = job.number(f"{field}_callback_timeout")
    return Callback(path, state, CALLBACK_TIMEOUT if timeout is None else timeout)


def error_of(error: BaseException) -> tuple[Any, ...]:
    """Return an error as RQ tells it to callbacks: its type, itself, its traceback."""
    return type(error), error, error.__traceback__


def error_told(name: str, message: str) -> tuple[Any, ...]:
    """Return the same for the end of a child, which could not say it itself."""
    kinds = {kind.__name__: kind for kind in (JobTimedOut, MemoryExceeded)}
    kind = kinds.get(name, ProcessDied)
    # Not called: it would make a sentence of its own.
    return kind, kind.__new__(kind, message), None
