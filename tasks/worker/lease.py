"""Signs of life: leases of running jobs, and the worker's entry in RQ's registry."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tasks import __version__
from tasks.broker.attempts import Claimed
from tasks.broker.engine import Engine
from tasks.broker.wire import format_date
from tasks.errors import BrokerUnavailable
from tasks.process import own_start
from tasks.worker.lag import WINDOW, LoopLag
from tasks.worker.threads import run_in_thread

logger = logging.getLogger(__name__)

#: Seconds between two renewals of the leases, which last 15.
RENEW_EVERY = 5.0

#: Seconds before a beat that failed is tried again.
TRY_AGAIN_AFTER = 1.0

#: Seconds between two heartbeats in RQ's own terms.
BEAT_EVERY = 30.0


@dataclass
class Heart:
    """Beats for one worker and the jobs it runs."""

    engine: Engine
    #: The jobs that run now.
    jobs: Callable[[], list[Claimed]]
    #: Facts that change, for the worker's entry: state, running, rss and so on.
    facts: Callable[[], dict[str, Any]]
    #: Told of a job whose lease is gone: another worker may have it.
    lost: Callable[[str], None]
    lag: LoopLag = field(default_factory=LoopLag)
    #: When the last renewal of all leases began, in seconds of time.monotonic().
    renewed_at: float = field(default_factory=time.monotonic)
    #: The readings of the lag that the next entry tells of are younger.
    _told_at: float = field(default_factory=time.monotonic)
    _telling: asyncio.Task[None] | None = None
    _born: datetime = field(default_factory=lambda: datetime.now(UTC))
    _start: str = field(default_factory=own_start)
    #: This host's, once it is found: where names are not served that takes seconds.
    _address: str = ""

    async def run(self) -> None:
        """Beat, and measure the loop's lag, for ever."""
        beside = [
            asyncio.create_task(self.lag.run()),
            asyncio.create_task(_every(BEAT_EVERY, self.beat_for_rq)),
            asyncio.create_task(self._look_up_address()),
        ]
        try:
            await _every(RENEW_EVERY, self.beat)
        finally:
            for task in beside:
                task.cancel()

    async def beat(self) -> None:
        """Renew every lease, and the worker's entry."""
        began = time.monotonic()
        gone = await self.engine.renew(self.jobs())
        self.note_renewal(began)
        for member in gone:
            self.lost(member)
        await self.engine.register(self._entry())

    def note_renewal(self, began: float) -> None:
        """Note that every lease was renewed, by whatever began then."""
        self.renewed_at = max(self.renewed_at, began)

    def tell(self) -> None:
        """Write the worker's entry now; a beat would do so within seconds."""
        self._telling = asyncio.create_task(self._tell())

    async def told(self) -> None:
        """Wait until nothing is being written any more."""
        if self._telling:
            await asyncio.wait((self._telling,))

    async def _tell(self) -> None:
        try:
            await self.engine.register(self._entry())
        except BrokerUnavailable as error:
            logger.debug("the next beat says it: %s", error)

    async def beat_for_rq(self) -> None:
        """Write RQ's own heartbeat of every job."""
        await self.engine.beat(self.jobs())

    async def _look_up_address(self) -> None:
        """Find out this host's address, in a thread; the next beat tells it."""
        self._address = await run_in_thread(_find_address)

    def _entry(self) -> dict[str, Any]:
        return {
            "birth": format_date(self._born),
            "last_heartbeat": format_date(datetime.now(UTC)),
            "queues": ",".join(self.engine.queues),
            "pid": os.getpid(),
            "hostname": self.engine.host,
            "ip_address": self._address,
            "version": f"taskyard {__version__}",
            "ty:start": self._start,
            "python_version": platform.python_version(),
            **self._lag_facts(),
            **self.facts(),
        }

    def _lag_facts(self) -> dict[str, str]:
        """Say how late the loop was since the last beat, and at worst in a minute.

        The entry of a worker that beats names no job that blocks it (understudy.py).
        """
        now, since = time.monotonic(), self._told_at
        self._told_at = now
        return {
            "ty:loop_lag": f"{self.lag.worst(since):.4f}",
            "ty:loop_lag_mean": f"{self.lag.mean(since):.4f}",
            "ty:loop_lag_minute": f"{self.lag.worst(now - WINDOW):.4f}",
            "ty:blocked_since": "",
            "ty:blocked_job": "",
            "ty:blocked_task": "",
        }


async def _every(seconds: float, beat: Callable[[], Awaitable[None]]) -> None:
    """Beat for ever, so many seconds from beginning to beginning, sooner after a failure."""
    due, pause = time.monotonic(), seconds
    while True:
        due = max(due + pause, time.monotonic())
        await asyncio.sleep(due - time.monotonic())
        pause = min(seconds, TRY_AGAIN_AFTER)
        try:
            await beat()
            pause = seconds
        except BrokerUnavailable as error:
            logger.warning("no heartbeat could be written: %s", error)
        except Exception:
            logger.exception("a heartbeat failed")


def _find_address() -> str:
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return ""
