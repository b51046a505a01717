"""Callbacks that stock RQ clients give their jobs: on success, on failure, on stop."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

from tasks.broker.current import fetch_rq_job
from tasks.registry import registry
from tasks.worker.calls import JobTimedOut, import_admitted

logger = logging.getLogger(__name__)

#: Seconds that a callback may take (RQ's own default).
CALLBACK_TIMEOUT = 60.0


def call_back(path: str, job_id: str, *args: Any) -> None:
    """Call a callback as RQ does: with the job, its connection, and what came of it.

    It must be registered like any function; nothing else is imported. Raises what the
    callback raises.
    """
    task = registry.find(path)
    function = task.function if task else import_admitted(path)
    job = fetch_rq_job(job_id)
    if job is not None:
        with deadline(CALLBACK_TIMEOUT):
            function(job, job.connection, *args)


def call_back_quietly(path: str, job_id: str, *args: Any) -> None:
    """Call a callback whose own failure changes nothing; it is logged."""
    try:
        call_back(path, job_id, *args)
    except Exception:
        logger.exception("callback %s of job %s failed", path, job_id)


@contextlib.contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Raise JobTimedOut in the block after `seconds`, in a main thread (signal.alarm)."""
    if not seconds or threading.current_thread() is not threading.main_thread():
        yield
        return

    def expire(number: int, frame: FrameType | None) -> None:
        raise JobTimedOut(seconds)

    signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
