"""Claims whose answer never came: Redis may hold jobs for a worker that never heard of them.

They would wait until their leases end, and count as lost.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Sequence

from tasks.broker.attempts import Settlement
from tasks.broker.engine import Engine
from tasks.errors import BrokerUnavailable
from tasks.worker.settle import Settler

logger = logging.getLogger(__name__)

#: Seconds between two looks while there is something to look for.
LOOK_EVERY = 1.0

#: Seconds after which a claim that Redis does not know of will not reach it any more.
LATEST = 10.0

#: Claims that are remembered: those of some minutes without Redis.
MOST = 1_000


def execution_ids(count: int) -> list[str]:
    """Return ids like RQ's, 32 hexadecimal digits, from one call for randomness."""
    digits = secrets.token_hex(16 * count)
    return [digits[i : i + 32] for i in range(0, len(digits), 32)]


class Unanswered:
    """Hands back what Redis granted, and this worker does not know."""

    def __init__(self, engine: Engine, settler: Settler) -> None:
        self._engine = engine
        self._settler = settler
        #: The executions of each claim, and when it failed.
        self._claims: deque[tuple[Sequence[str], float]] = deque(maxlen=MOST)
        self._noted = asyncio.Event()

    def note(self, executions: Sequence[str]) -> None:
        """Remember a claim that failed: Redis may have heard of it all the same."""
        self._claims.append((executions, time.monotonic()))
        self._noted.set()

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self._noted.wait()
            try:
                await self.look()
            except BrokerUnavailable:
                logger.debug("claims without an answer are looked for later")
            await asyncio.sleep(LOOK_EVERY)

    async def look(self) -> None:
        """Hand back what is found, and forget the claims that are long over."""
        began = time.monotonic()
        wanted = {execution for ids, _at in self._claims for execution in ids}
        for job in await self._engine.held_by(wanted):
            text = "the answer that brought job %s was lost; it goes back to its queue"
            logger.warning(text, job.id, extra={"action": "claim_lost"})
            self._settler.add(Settlement(job, "handback", time.time()))
        while self._claims and self._claims[0][1] < began - LATEST:
            self._claims.popleft()
        if not self._claims:
            self._noted.clear()
