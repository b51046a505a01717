"""How late the worker's loop comes round, as a probe on it finds twice a second."""

from __future__ import annotations

import asyncio
import time
from collections import deque

#: Seconds between two probes.
PROBE_EVERY = 0.5

#: Seconds that a reading counts: the worst of the last minute is shown.
WINDOW = 60.0


class LoopLag:
    """Seconds by which a sleep on the loop ended late, over the last minute."""

    def __init__(self) -> None:
        #: When the loop last came by, in seconds of time.monotonic().
        self.ticked_at = time.monotonic()
        self._readings: deque[tuple[float, float]] = deque(
            maxlen=round(WINDOW / PROBE_EVERY)
        )

    async def run(self) -> None:
        """Probe for ever."""
        self.ticked_at = time.monotonic()
        while True:
            await asyncio.sleep(PROBE_EVERY)
            self.tick(time.monotonic())

    def tick(self, now: float) -> None:
        """Note that the loop came by, PROBE_EVERY after the last time if in time."""
        late = max(0.0, now - self.ticked_at - PROBE_EVERY)
        self.ticked_at = now
        self._readings.append((now, late))

    def worst(self, since: float) -> float:
        return max(self._since(since), default=0.0)

    def mean(self, since: float) -> float:
        readings = self._since(since)
        return sum(readings) / len(readings) if readings else 0.0

    def _since(self, moment: float) -> list[float]:
        return [late for at, late in self._readings if at > moment]
