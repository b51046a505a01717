"""Ends of attempts on their way to Redis: collected for a moment, sent together, kept
until they are written."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from tasks import stored_words
from tasks.broker.attempts import Settlement
from tasks.broker.scripts import Value
from tasks.errors import BrokerUnavailable

logger = logging.getLogger(__name__)

#: Seconds in which ends are collected before they are sent together.
COLLECT_FOR = 0.001

#: Settlements in one call, and about how many bytes: no call may hold Redis over 2 ms.
BATCH, BATCH_BYTES = 40, 256 * 1024

#: Seconds between tries while Redis does not answer: the first, and the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0


def _ignore(settlement: Settlement, state: str) -> None:
    """Have nobody told."""


class Judge(Protocol):
    """Who takes ends of attempts: an engine, in the name of one worker."""

    async def settle(self, settlements: Sequence[Settlement], /) -> list[str]:
        """End attempts by one call; returns the states that the jobs are in now."""


class Settler:
    """Writes settlements in order; `pending` counts what is not written yet."""

    def __init__(
        self, engine: Judge, written: Callable[[Settlement, str], None] = _ignore
    ) -> None:
        self._engine = engine
        #: Told of each end that Redis took, with the state that the job is in now.
        self._written_end = written
        self._waiting: list[Settlement] = []
        self._verdicts = 0
        self._arrived = asyncio.Event()
        self._written = asyncio.Event()
        self._written.set()

    @property
    def pending(self) -> int:
        return len(self._waiting)

    @property
    def holds_verdict(self) -> bool:
        """Whether Redis has not been told yet that some job is quarantined."""
        return self._verdicts > 0

    def left(self) -> Sequence[Settlement]:
        """Return what is not written yet."""
        return tuple(self._waiting)

    def add(self, settlement: Settlement) -> None:
        self._waiting.append(settlement)
        self._verdicts += settlement.verb == "quarantine"
        self._written.clear()
        self._arrived.set()

    async def drained(self) -> None:
        """Wait until everything is written."""
        await self._written.wait()

    async def run(self) -> None:
        """Write what arrives, for ever."""
        while True:
            await self._arrived.wait()
            if len(self._waiting) < BATCH:
                await asyncio.sleep(COLLECT_FOR)
            batch = _first_batch(self._waiting)
            await self._write(batch)
            del self._waiting[: len(batch)]
            self._verdicts -= sum(end.verb == "quarantine" for end in batch)
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
            self._report(batch, await self._engine.settle(batch))
        except BrokerUnavailable as error:
            logger.warning("%s ends of jobs wait for Redis: %s", self.pending, error)
            return batch
        except Exception:
            logger.exception("%s ends of jobs are written one by one", len(batch))
        else:
            return []
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
                self._report([attempt], await self._engine.settle([attempt]))
            except BrokerUnavailable:
                return [attempt]
            except Exception:
                logger.exception("the end of job %s cannot be sent", attempt.job.id)
            else:
                return []
        return []

    def _report(self, batch: Sequence[Settlement], states: Sequence[str]) -> None:
        for settlement, state in zip(batch, states, strict=True):
            if state == "superseded" or state.startswith("broken"):
                _warn(settlement.job.id, state)
            else:
                self._written_end(settlement, state)


def _warn(job_id: str, state: str) -> None:
    if state == "superseded":
        text = "job %s had been taken from this worker; its late end changes nothing"
        logger.warning(text, job_id, extra={"action": "superseded"})
    else:
        logger.error("the end of job %s was refused: %s", job_id, state)


def unsendable(settlement: Settlement) -> Settlement:
    """Return the failure of a job whose end cannot be sent to Redis."""
    text = stored_words.UNSENDABLE
    facts: dict[str, Value] = {"error": "Unsendable", "message": text}
    return Settlement(settlement.job, "fail", settlement.started, "", text, None, facts)


def _first_batch(waiting: Sequence[Settlement]) -> list[Settlement]:
    """Return the first settlements that one call may carry, at least one."""
    size = 0
    for count, settlement in enumerate(waiting[:BATCH]):
        size += settlement.size
        if count and size > BATCH_BYTES:
            return list(waiting[:count])
    return list(waiting[:BATCH])
