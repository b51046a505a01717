"""A worker out of reach of Redis ends its jobs before others may run them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sized

from tasks.worker.attempt import Running
from tasks.worker.lease import Heart

logger = logging.getLogger(__name__)

#: Seconds without a renewal after which a worker's jobs are ended; leases last 15.
FENCE_AFTER = 12.0

#: Seconds between two looks.
LOOK_EVERY = 0.5


class Fence:
    """Ends all that runs here while no lease can be renewed."""

    def __init__(
        self, heart: Heart, running: Sized, give_up: Callable[[], None]
    ) -> None:
        self._heart = heart
        self._running = running
        self._give_up = give_up

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.check(time.monotonic())

    def check(self, now: float) -> None:
        """End the jobs, and whatever has begun since, if their leases may end soon."""
        silent_for = now - self._heart.renewed_at
        if silent_for > FENCE_AFTER and self._running:
            logger.warning(
                "Redis has been out of reach for %.0f s: %s jobs are ended here and go"
                " back to their queues",
                silent_for,
                len(self._running),
                extra={"action": "fenced"},
            )
            self._give_up()


def end_children(jobs: Iterable[Running]) -> None:
    """Kill the children that run jobs, from a thread; the loop hears of it later."""
    for running in jobs:
        child = running.errand.child if running.errand else None
        if child:
            running.handing_back = True
            child.kill()
