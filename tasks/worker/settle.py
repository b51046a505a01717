"""Ends of attempts on their way to Redis: collected for a moment, sent together, kept
until they are written."""

from __future__ import annotations

import asyncio
import logging

from tasks.broker.attempts import Settlement
from tasks.broker.engine import Engine
from tasks.broker.scripts import Value
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
        """Write a batch, however long Redis is away."""
        pause = FIRST_PAUSE
        while batch := await self._try(batch):
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _try(self, batch: list[Settlement]) -> list[Settlement]:
        """Write what can be written now; returns the rest, which waits for Redis."""
        try:
            return _unwritten(batch, await self._engine.settle(batch))
        except BrokerUnavailable as error:
            logger.warning("%s ends of jobs wait for Redis: %s", self.pending, error)
            return batch
        except Exception:
            logger.exception("%s ends of jobs are written one by one", len(batch))
        left = []
        for settlement in batch:
            left += await self._try_alone(settlement)
        return left

    async def _try_alone(self, settlement: Settlement) -> list[Settlement]:
        """Write one end, so that none that cannot be sent holds up the others.

        A job whose end cannot be sent fails with that reason.
        """
        for attempt in (settlement, unsendable(settlement)):
            try:
                return _unwritten([attempt], await self._engine.settle([attempt]))
            except BrokerUnavailable:
                return [attempt]
            except Exception:
                logger.exception("the end of job %s cannot be sent", attempt.job.id)
        return []


def unsendable(settlement: Settlement) -> Settlement:
    """Return the failure of a job whose end cannot be sent to Redis."""
    text = "The end of the attempt could not be written; the worker's log says why."
    facts: dict[str, Value] = {"error": "Unsendable", "message": text}
    return Settlement(settlement.job, "fail", settlement.started, "", text, None, facts)


def _unwritten(
    batch: list[Settlement], answers: list[str | Exception]
) -> list[Settlement]:
    """Return the settlements that Redis could not take just now."""
    _report(batch, answers)
    pairs = zip(batch, answers, strict=True)
    return [s for s, answer in pairs if isinstance(answer, BrokerUnavailable)]


def _report(batch: list[Settlement], answers: list[str | Exception]) -> None:
    for settlement, answer in zip(batch, answers, strict=True):
        if isinstance(answer, Exception) and not isinstance(answer, BrokerUnavailable):
            logger.error("the end of job %s was refused: %s", settlement.job.id, answer)
        elif answer == "superseded":
            logger.warning(
                "job %s had been taken from this worker; its late end changes nothing",
                settlement.job.id,
                extra={"action": "superseded"},
            )
