"""Coroutines that go on though their jobs were ended: they swallow their cancellation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from tasks.worker.attempt import Running, fail, stop
from tasks.worker.calls import Outcome

logger = logging.getLogger(__name__)


class Strays:
    """Ends the jobs of such coroutines, and counts the slots that these still take."""

    def __init__(
        self,
        finish: Callable[[Running, Outcome], Awaitable[None]],
        changed: Callable[[], None],
    ) -> None:
        self._finish = finish
        self._changed = changed
        self._coroutines: set[Running] = set()
        self._endings: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._coroutines)

    def add(self, running: Running) -> None:
        """End the job of a coroutine that was interrupted, unless it heeded that."""
        if not running.is_in_code or running.is_stray:
            return
        logger.warning(
            "task %s swallows its cancellation: job %s is ended without it; the"
            " coroutine keeps its slot until it returns",
            running.context.task,
            running.job.id,
            extra={"action": "stray"},
        )
        running.is_stray = True
        self._coroutines.add(running)
        ending = asyncio.create_task(self._end(running))
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)
        if running.task:
            running.task.cancel()  # once more: some catch it only once

    async def _end(self, running: Running) -> None:
        if running.stopping:
            outcome = await stop(running)
        elif running.offence:
            outcome = await fail(running, running.offence)
        else:
            outcome = Outcome("handback")
        await self._finish(running, outcome)

    def remove(self, running: Running) -> None:
        """Give the slot free of a coroutine that returned after all."""
        self._coroutines.discard(running)
        self._changed()

    async def ended(self, seconds: float) -> None:
        """Wait until the jobs have ended, so many seconds at most."""
        if self._endings:
            await asyncio.wait(self._endings, timeout=seconds)
