"""What running jobs say, on its way to Redis: collected, sent ten times a second."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from tasks.broker.attempts import Claimed, Said
from tasks.broker.engine import Engine
from tasks.errors import BrokerUnavailable

logger = logging.getLogger(__name__)

#: Seconds between two sendings.
SEND_EVERY = 0.1

#: Lines in one call, which the loop packs in some milliseconds.
AT_ONCE = 500

#: Lines kept while Redis does not answer.
MOST_WAITING = 20_000


class Output:
    """Collects log lines and progress of the jobs of one worker."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._logs: list[Said] = []
        self._progress: dict[str, Said] = {}
        self._sending = asyncio.Lock()
        #: Attempts that wrote a line.
        self._written: set[str] = set()

    def hear(self, job: Claimed, kind: str, fields: dict[str, Any]) -> None:
        """Take what a job says: progress, or a line of its log."""
        if kind == "progress":
            self._progress[job.execution] = Said(job, json.dumps(fields))
        elif kind == "log":
            self._log(job, fields["line"], fields["at"])

    def holds(self, job: Claimed) -> bool:
        """Say whether the job said anything, part of which may not be sent."""
        return job.execution in self._written or job.execution in self._progress

    def forget(self, job: Claimed) -> bool:
        """Forget a job that ended; says whether it has a log."""
        has_log = job.execution in self._written
        self._written.discard(job.execution)
        return has_log

    def _log(self, job: Claimed, line: str, at: float) -> None:
        if len(self._logs) < MOST_WAITING:
            self._written.add(job.execution)
            self._logs.append(Said(job, line, at))

    async def ended(self, job: Claimed) -> None:
        """Send what a job said before its end is written."""
        if self.holds(job):
            await self.send()

    async def run(self) -> None:
        """Send what was said, for ever."""
        while True:
            await asyncio.sleep(SEND_EVERY)
            await self.send()

    async def send(self) -> None:
        """Send what was said up to now, in that order."""
        async with self._sending:
            logs, progress = self._logs, list(self._progress.values())
            self._logs, self._progress = [], {}
            while logs or progress:
                try:
                    await self._engine.say(logs[:AT_ONCE], progress)
                except BrokerUnavailable as error:
                    logger.warning("%s log lines wait for Redis: %s", len(logs), error)
                    self._logs = (logs + self._logs)[-MOST_WAITING:]
                    return
                logs, progress = logs[AT_ONCE:], []
