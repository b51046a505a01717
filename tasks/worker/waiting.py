"""Waiting for work without taking it: one blocking read for each queue."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable

from tasks.broker.engine import Engine
from tasks.errors import BrokerUnavailable

logger = logging.getLogger(__name__)

#: Seconds before a queue is listened to again after Redis did not answer.
PAUSE = 0.5


class Doorbell:
    """Rings when a queue got a job, a slot came free, or somebody pulled it.

    A blocked read is never cancelled, which would cost its connection: it stays armed
    until it answers, and a late answer only makes the worker look once more.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rung = asyncio.Event()
        self._armed: dict[str, asyncio.Task[None]] = {}

    def ring(self) -> None:
        self._rung.set()

    def silence(self) -> None:
        """Forget earlier rings; called before the worker looks for work itself."""
        self._rung.clear()

    async def wait(self, queues: Iterable[str], at_most: float | None = None) -> None:
        """Wait for a ring, for a job in one of `queues`, or so many seconds."""
        for queue in queues:
            if queue not in self._armed:
                self._armed[queue] = asyncio.create_task(self._listen(queue))
        if at_most is None:
            await self._rung.wait()
        else:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._rung.wait(), at_most)
        self._rung.clear()

    async def close(self) -> None:
        armed = tuple(self._armed.values())
        for task in armed:
            task.cancel()
        await asyncio.gather(*armed, return_exceptions=True)

    async def _listen(self, queue: str) -> None:
        try:
            with contextlib.suppress(TimeoutError):
                await self._engine.wait_for_work(queue)
        except BrokerUnavailable as error:
            logger.warning("queue %s cannot be watched: %s", queue, error)
            await asyncio.sleep(PAUSE)
        finally:
            self._armed.pop(queue, None)
        self.ring()
