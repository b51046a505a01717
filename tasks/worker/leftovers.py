"""Ends of attempts that outlive their worker: it leaves them on disk, the next one sends
them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.broker.attempts import Settlement
from tasks.broker.engine import Engine
from tasks.worker.settle import Settler
from tasks.worker.spool import (
    Spooled,
    SpoolUnreadable,
    folder_of,
    remove,
    set_aside,
    spooling,
    taking,
    waiting_in,
)
from tasks.worker.threads import run_in_thread

logger = logging.getLogger(__name__)

#: Seconds between two looks for what others left.
LOOK_EVERY = 5.0

#: Seconds that Redis gets to take the ends of a worker that leaves: before they are
#: written to disk, and after.
BEFORE, AFTER = 1.0, 3.0


@dataclass(frozen=True)
class _Absent:
    """Sends ends in the name of the worker that left them."""

    engine: Engine
    left: Spooled

    async def settle(self, batch: Sequence[Settlement]) -> list[str]:
        return await self.engine.settle(batch, self.left.worker, self.left.host)


class Leftovers:
    """What workers of one data folder left behind."""

    def __init__(
        self, data: Path, engine: Engine, told: Callable[[Settlement, str], None]
    ) -> None:
        self._folder = folder_of(data)
        self._engine = engine
        self._told = told
        #: Files that this worker may not read; each is complained of once.
        self._refused: set[Path] = set()

    async def run(self) -> None:
        """Send what others left, for ever."""
        while True:
            for path in set(waiting_in(self._folder)) - self._refused:
                await self._send(path)
            await asyncio.sleep(LOOK_EVERY)

    async def _send(self, path: Path) -> None:
        try:
            with contextlib.ExitStack() as stack:
                left = await run_in_thread(stack.enter_context, taking(path))
                if left:
                    await self._settle(left)
                    remove(path)
        except SpoolUnreadable as error:
            text = "%s holds no ends of jobs that can be read (%s); it is now called %s"
            logger.error(text, path, error, set_aside(path).name)
        except OSError as error:
            self._refused.add(path)
            logger.error("ends of jobs in %s cannot be read: %s", path, error)

    async def _settle(self, left: Spooled) -> None:
        """Have Redis take the ends, however long it is away; it refuses what is late."""
        settler = Settler(_Absent(self._engine, left), self._told)
        for end in left.ends:
            settler.add(end)
        writing = asyncio.create_task(settler.run())
        try:
            await settler.drained()
        finally:
            writing.cancel()
        text = "%s ends of jobs that worker %s had left were sent"
        logger.info(text, len(left.ends), left.worker, extra={"action": "replayed"})

    async def leave(self, settler: Settler) -> None:
        """Wait until Redis has taken all ends, and leave on disk what it does not take."""
        if await _drained(settler, BEFORE):
            return
        left = Spooled(self._engine.worker, self._engine.host, settler.left())
        try:
            with spooling(self._folder, left) as path:
                if await _drained(settler, AFTER):
                    remove(path)
                else:
                    text = "%s ends of jobs are left for the next worker in %s"
                    logger.warning(text, len(left.ends), path)
        except OSError as error:
            text = "%s ends of jobs are lost, so the jobs run again: %s"
            logger.error(text, len(left.ends), error)


async def _drained(settler: Settler, seconds: float) -> bool:
    try:
        await asyncio.wait_for(settler.drained(), seconds)
    except TimeoutError:
        return False
    return True
