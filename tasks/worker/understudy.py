"""Holds a worker's leases while a coroutine blocks its loop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from tasks.broker.attempts import Claimed
from tasks.broker.renewal import renew_blocking
from tasks.errors import BrokerUnavailable

logger = logging.getLogger(__name__)

#: Seconds between two looks at the loop.
LOOK_EVERY = 2.0

#: Seconds without a beat after which the loop counts as blocked; it beats every 5.
BLOCKED_AFTER = 7.0

#: Seconds after which a blocked loop is given up: its jobs then run elsewhere.
HUNG_AFTER = 300.0


class Understudy:
    """A thread that renews leases as long as the loop does not, within reason.

    Without it, a coroutine that computes for twenty seconds would lose its lease, run
    again on the next worker, and block that one too.
    """

    def __init__(
        self, jobs: Callable[[], list[Claimed]], beaten_at: Callable[[], float]
    ) -> None:
        self._jobs = jobs
        self._beaten_at = beaten_at
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(LOOK_EVERY):
            silent_for = time.monotonic() - self._beaten_at()
            if BLOCKED_AFTER < silent_for < HUNG_AFTER:
                self._renew(silent_for)

    def _renew(self, silent_for: float) -> None:
        logger.warning(
            "a coroutine has blocked the worker's loop for %.0f s: await in it, or make"
            " the task a plain function",
            silent_for,
            extra={"action": "loop_blocked"},
        )
        try:
            renew_blocking(self._jobs())
        except (BrokerUnavailable, RuntimeError) as error:
            # RuntimeError: the loop went on and changed its jobs meanwhile.
            logger.warning("leases were not renewed: %s", error)
