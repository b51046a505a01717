"""What goes on beside a worker's claims, for as long as it lives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from tasks.broker.engine import Engine
from tasks.errors import BrokerUnavailable

logger = logging.getLogger(__name__)

#: Seconds before a loop that failed begins again.
PAUSE = 0.5

#: Seconds between two looks for children of parents that had many.
RELEASE_EVERY = 1.0


async def keep(loop: Callable[[], Awaitable[None]]) -> None:
    """Run a loop of the worker for ever: an error in one must not leave it without."""
    while True:
        try:
            await loop()
        except Exception:
            logger.exception("a part of the worker failed and starts again")
        await asyncio.sleep(PAUSE)


async def release_children(engine: Engine) -> None:
    """Release what waits for parents that have ended, a few at a time."""
    while True:
        try:
            more = await engine.release_children()
        except BrokerUnavailable:
            more = False
        await asyncio.sleep(0 if more else RELEASE_EVERY)
