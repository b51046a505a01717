"""What running jobs say, on its way to Redis: collected, sent ten times a second."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import defaultdict
from typing import Any

from tasks.broker.attempts import Claimed, Said
from tasks.broker.engine import Engine
from tasks.errors import BrokerUnavailable
from tasks.text import gettext as _

logger = logging.getLogger(__name__)

#: Seconds between two sendings.
SEND_EVERY = 0.1

#: Characters of log that one attempt may write.
LOG_LIMIT = 5 * 1024 * 1024

#: Lines kept while Redis does not answer.
MOST_WAITING = 20_000


class Output:
    """Collects log lines and progress of the jobs of one worker."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._logs: list[Said] = []
        self._progress: dict[str, Said] = {}
        self._written: defaultdict[str, int] = defaultdict(int)

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
        return self._written.pop(job.execution, None) is not None

    def _log(self, job: Claimed, line: str, at: float) -> None:
        before = self._written[job.execution]
        if before > LOG_LIMIT or len(self._logs) >= MOST_WAITING:
            return
        self._written[job.execution] = before + len(line)
        if before + len(line) > LOG_LIMIT:
            text = _("The log is cut here: it passed %(limit)s MB.")
            line = text % {"limit": LOG_LIMIT >> 20}
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
        logs, progress = self._logs, list(self._progress.values())
        if not (logs or progress):
            return
        self._logs, self._progress = [], {}
        try:
            await self._engine.say(logs, progress)
        except BrokerUnavailable as error:
            logger.warning("%s log lines wait for Redis: %s", len(logs), error)
            self._logs = (logs + self._logs)[-MOST_WAITING:]
