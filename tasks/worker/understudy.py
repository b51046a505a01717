"""Stands in for a worker's loop while a coroutine blocks it."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from tasks.broker.attempts import Claimed
from tasks.broker.renewal import renew_blocking, report_block
from tasks.broker.wire import format_date
from tasks.errors import BrokerUnavailable
from tasks.text import gettext as _
from tasks.worker.attempt import Running
from tasks.worker.calls import cut
from tasks.worker.culprit import Culprit, find_culprit
from tasks.worker.fence import FENCE_AFTER, end_children
from tasks.worker.lease import RENEW_EVERY, Heart

logger = logging.getLogger(__name__)

#: Seconds between two looks at the loop.
LOOK_EVERY = 0.5

#: Seconds without a probe after which the loop counts as blocked.
BLOCKED_AFTER = 2.0

#: Seconds without a renewal after which the leases, which last 15, are renewed here.
RENEW_AFTER = RENEW_EVERY + 2

#: Seconds after which a blocked loop is given up: its jobs then run elsewhere.
HUNG_AFTER = 300.0

#: Characters of the stack that a warning shows.
STACK_LIMIT = 4_000


class Understudy:
    """A thread that sees when the loop does not come round.

    It names what blocks the loop, tells the pages so, and renews the leases, within
    reason: a coroutine that computes for twenty seconds would otherwise lose its lease,
    run again on the next worker, and block that one too.
    """

    def __init__(self, heart: Heart, running: Mapping[str, Running]) -> None:
        self._heart = heart
        self._running = running
        self._loop = asyncio.get_running_loop()
        self._thread_id = threading.get_ident()
        self._ended = threading.Event()
        self._named: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(LOOK_EVERY):
            silent_for = time.monotonic() - self._heart.lag.ticked_at
            if silent_for < BLOCKED_AFTER:
                self._named.clear()
                continue
            try:
                jobs = list(self._running.values())
                self._step_in(silent_for, jobs)
            except BrokerUnavailable as error:
                logger.warning("nobody stands in for the worker's loop: %s", error)
            except RuntimeError:
                continue  # the loop went on and changed its jobs meanwhile
            if time.monotonic() - self._heart.renewed_at > FENCE_AFTER:
                end_children(jobs)

    def _step_in(self, silent_for: float, jobs: Sequence[Running]) -> None:
        culprit = find_culprit(self._loop, self._thread_id, jobs)
        if culprit:
            self._name(culprit, silent_for)
        if silent_for < HUNG_AFTER:
            self._renew([running.job for running in jobs])
            self._tell_the_pages(culprit, silent_for)

    def _name(self, culprit: Culprit, silent_for: float) -> None:
        """Warn of what blocks the loop, once a block, here and in the job's log."""
        if culprit.name in self._named:
            return
        self._named.add(culprit.name)
        advice = _(
            "%(name)s has blocked the worker's loop for %(seconds)s s, and all"
            " coroutines wait: await in it, or make the task a plain function."
        )
        said = advice % {"name": culprit.name, "seconds": f"{silent_for:.0f}"}
        text = f"{said}\n{cut(culprit.stack, STACK_LIMIT)}"
        logger.warning("%s", text, extra={"action": "loop_blocked"})
        if culprit.running:
            for line in f"WARNING {text}".splitlines():
                culprit.running.context.log(line)

    def _renew(self, jobs: Sequence[Claimed]) -> None:
        now = time.monotonic()
        if now - self._heart.renewed_at > RENEW_AFTER:
            renew_blocking(jobs)
            self._heart.note_renewal(now)

    def _tell_the_pages(self, culprit: Culprit | None, silent_for: float) -> None:
        context = culprit.running.context if culprit and culprit.running else None
        report_block(
            self._heart.engine.worker,
            {
                "last_heartbeat": format_date(datetime.now(UTC)),
                "ty:running": str(len(self._running)),
                "ty:loop_lag": f"{silent_for:.4f}",
                "ty:blocked_since": f"{time.time() - silent_for:.3f}",
                "ty:blocked_job": context.id if context else "",
                "ty:blocked_task": context.task if context else "",
            },
        )
