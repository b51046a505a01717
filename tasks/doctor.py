"""The doctor's findings for a page: looked for beside it, and never waited for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from django.db import connections
from django.utils import timezone, translation

from tasks.checks import Finding, Level
from tasks.server_checks import examine
from tasks.text import gettext as _

#: Seconds for which one examination serves everybody.
FRESH_FOR = 5.0

#: Seconds that a page waits for one before it shows the last.
PATIENCE = 1.5


@dataclass(frozen=True)
class Examination:
    """What was found, and when; `is_late` where a newer one takes too long."""

    findings: tuple[Finding, ...]
    at: datetime
    is_late: bool = False


@dataclass
class Doctor:
    """Keeps the last examination in one language; safe to ask from any thread."""

    language: str | None = None
    examine: Callable[[], Iterable[Finding]] = examine
    patience: float = PATIENCE
    _last: Examination | None = None
    _read_at: float = float("-inf")
    _running: Future[Examination] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _executor: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="doctor")
    )

    def read(self) -> Examination:
        """Return an examination that is a few seconds old at most, or a late one."""
        with self._lock:
            if self._last is None or time.monotonic() - self._read_at > FRESH_FOR:
                self._last = self._refresh()
                self._read_at = time.monotonic()
            return self._last

    def _refresh(self) -> Examination:
        # One that hangs is left to end by itself, and asked for again later.
        running = self._running or self._executor.submit(self._examine)
        self._running = running
        try:
            return running.result(self.patience)
        except FutureTimeout:
            return self._late()
        finally:
            if running.done():  # also where it broke off
                self._running = None

    def _examine(self) -> Examination:
        try:
            with translation.override(self.language):
                return Examination(tuple(self.examine()), timezone.now())
        finally:
            connections.close_all()  # they are this thread's own

    def _late(self) -> Examination:
        if self._last is not None and self._last.findings:
            return Examination(self._last.findings, self._last.at, is_late=True)
        text = _("The examination takes long: Redis or the database is slow to answer.")
        finding = Finding("doctor", Level.WARNING, text)
        return Examination((finding,), timezone.now(), is_late=True)


@cache
def _doctor(language: str | None) -> Doctor:
    return Doctor(language)


def read_examination() -> Examination:
    """Return what doctor finds, within two seconds whatever hangs."""
    return _doctor(translation.get_language()).read()
