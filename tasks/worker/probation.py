"""Jobs that were lost with a worker, and the pace at which a worker takes them on again.

One of them may have killed it, and most others were only with it. They come back next to
each other: taken all at once they would die together again, and all become suspects.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence

from tasks.broker.attempts import Claimed

#: Seconds after which twice as many are taken at once, and the next ones do not wait any
#: longer for those before them to end.
STEP = 0.1

#: Times that their number is doubled: then a whole claim may be of them, and the next one
#: waits for none.
MOST_STEPS = 6

#: What a claim is told that may take no lost job at all.
NONE = -1

#: Seconds for which it is told so while a suspect runs alone. One that runs on is hardly
#: what killed workers, and what stands behind the next lost job must not wait for its end.
TRIAL = 30.0

#: Seconds between two looks at whether they have ended.
LOOK_EVERY = 0.005


class Probation:
    """Says how many lost jobs a worker may take by its next claim: NONE, or 0 for any."""

    def __init__(
        self,
        held: Mapping[str, object],
        is_trying: Callable[[], bool],
        *,
        is_on: bool,
    ) -> None:
        #: What the worker runs, by the entries in the lease.
        self._held = held
        #: Says whether a suspect runs alone now, or its end is not written yet.
        self._is_trying = is_trying
        self._is_on = is_on
        self._since = math.inf
        self._tried_since = math.inf

    @property
    def most(self) -> int:
        if not self._is_on:
            return 0
        if self._is_early_in_trial():
            # Another one that ends the worker would undo what is just being found out.
            return NONE
        return 1 << self._steps()

    def _is_early_in_trial(self) -> bool:
        if not self._is_trying():
            self._tried_since = math.inf
            return False
        now = time.monotonic()
        self._tried_since = min(self._tried_since, now)
        return now - self._tried_since < TRIAL

    async def watch(self, jobs: Sequence[Claimed]) -> None:
        """Wait a moment for those of a claim to end that were lost before."""
        lost = [job.member for job in jobs if job.was_lost]
        now = time.monotonic()
        if not (lost and self._is_on):
            self._since = math.inf
            return
        self._since = min(self._since, now)
        while self._steps() < MOST_STEPS and not self._held.keys().isdisjoint(lost):
            if time.monotonic() > now + STEP:
                return
            await asyncio.sleep(LOOK_EVERY)

    def _steps(self) -> int:
        passed = max(0.0, time.monotonic() - self._since)
        return int(min(MOST_STEPS, passed / STEP))
