"""Ends of attempts on their way to Redis: collected for a moment, sent together, kept
until they are written."""

from __future__ import annotations

import asyncio
import logging

from tasks.broker.attempts import Settlement
from tasks.broker.engine import Engine
from tasks.errors import BrokerUnavailable

logger = logging.getLogger(__name__)

#: Seconds in which ends are collected before they are sent together.
COLLECT_FOR = 0.001

#: Settlements in one round trip.
BATCH = 100

#: Seconds between tries while Redis does not answer: the first, and the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0


class Settler:
    """Writes settlements in order; `pending` counts what is not written yet."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: list[Settlement] = []
        self._arrived = asyncio.Event()
        self._written = asyncio.Event()
        self._written.set()

    @property
    def pending(self) -> int:
        return len(self._waiting)

    def add(self, settlement: Settlement) -> None:
        self._waiting.append(settlement)
        self._written.clear()
        self._arrived.set()

    async def drained(self) -> None:
        """Wait until everything is written."""
        await self._written.wait()

    async def run(self) -> None:
        """Write what arrives, for ever."""
        while True:
            await self._arrived.wait()
            await asyncio.sleep(COLLECT_FOR)
            batch = self._waiting[:BATCH]
            await self._write(batch)
            del self._waiting[: len(batch)]
            if not self._waiting:
                self._arrived.clear()
                self._written.set()

    async def _write(self, batch: list[Settlement]) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                answers = await self._engine.settle(batch)
            except BrokerUnavailable as error:
                logger.warning(
                    "%s ends of jobs wait for Redis: %s", self.pending, error
                )
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            _report(batch, answers)
            return


def _report(batch: list[Settlement], answers: list[str | Exception]) -> None:
    for settlement, answer in zip(batch, answers, strict=True):
        if isinstance(answer, Exception):
            logger.error("the end of job %s was refused: %s", settlement.job.id, answer)
        elif answer == "superseded":
            logger.warning(
                "job %s had been taken from this worker; its late end changes nothing",
                settlement.job.id,
                extra={"action": "superseded"},
            )
