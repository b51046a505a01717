"""What a running task can say and ask: progress, log lines, its deadline, cancellation."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from tasks.sizes import show_size
from tasks.text import gettext as _

#: Progress is passed on at most this often; the last word always is.
PROGRESS_INTERVAL = 0.1

#: A log line is cut after so many characters.
LOG_LINE_LIMIT = 8_192

#: Bytes that are kept of an attempt's log.
LOG_LIMIT = 5 * 1024 * 1024

Sink = Callable[[str, dict[str, Any]], None]


def _nowhere(kind: str, fields: dict[str, Any]) -> None:
    """Drop what a task says where nobody listens."""


def _nobody() -> None:
    """Stand for who would be told."""


@dataclass
class JobContext:
    """The job that runs in this context.

    Outside a worker of ours, `current_job()` returns one with an empty id whose words go
    nowhere, so that a task can be called like any function.
    """

    id: str = ""
    task: str = ""
    queue: str = ""
    attempt: int = 0
    #: When the attempt times out, in seconds of time.time(); None: never.
    deadline: float | None = None
    #: Set when somebody asked the job to end; a task may look at it and clean up.
    stop_requested: bool = False
    sink: Sink = field(default=_nowhere, repr=False)
    #: Whether the job's data and meta are pickled; only a child may load them.
    pickled: bool = False
    #: RQ's own object of the job, once somebody asked for it.
    rq_job: Any = field(default=None, repr=False)
    #: Bytes that the attempt may write (0: any), and who is told when it wrote more.
    output: int = 0
    exceeded: Callable[[], None] = field(default=_nobody, repr=False)
    _written: int = field(default=0, repr=False)
    #: Bytes of its log.
    _logged: int = field(default=0, repr=False)
    _reported_at: float = field(default=0.0, repr=False)

    def progress(self, done: float, total: float | None = None, text: str = "") -> None:
        """Say how far the job is: `done` of `total` (in any unit), with a short text."""
        now = time.monotonic()
        finished = total is not None and done >= total
        if not finished and now - self._reported_at < PROGRESS_INTERVAL:
            return
        self._reported_at = now
        self.sink("progress", {"done": done, "total": total, "text": str(text)[:200]})

    def log(self, message: str) -> None:
        """Add a line to the job's log, as the logging module does by itself."""
        text = str(message)
        self.count(text)
        self.add_line(text)

    def count(self, text: str) -> None:
        """Count what the task writes; who can end it is told once it is too much."""
        if not self.output or self._written > self.output:
            return
        self._written += len(text.encode("utf-8", "replace"))
        if self._written > self.output:
            self.exceeded()

    def add_line(self, text: str) -> None:
        """Add a line to the log.

        What goes beyond the limit is dropped here: not even the worker hears of it.
        """
        if self._logged > LOG_LIMIT:
            return
        line = text[:LOG_LINE_LIMIT]
        self._logged += 1 + len(line.encode("utf-8", "replace"))
        if self._logged > LOG_LIMIT:
            cut = _("The log is cut here: it passed %(limit)s.")
            line = cut % {"limit": show_size(LOG_LIMIT)}
        self.sink("log", {"at": time.time(), "line": line})

    def seconds_left(self) -> float | None:
        """Return the seconds until the attempt times out; None where it never does."""
        return None if self.deadline is None else self.deadline - time.time()


_current: ContextVar[JobContext | None] = ContextVar("taskyard_job", default=None)


def current_job() -> JobContext:
    """Return the context of the job that runs here."""
    return _current.get() or JobContext()


def enter_job(context: JobContext) -> None:
    """Make `context` the current one, for the rest of this thread or asyncio task."""
    _current.set(context)
