"""RQ's own objects for the job that runs here: for callbacks and `get_current_job`."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple, Protocol

import redis
import rq.job
from rq.defaults import UNSERIALIZABLE_RETURN_VALUE_PAYLOAD
from rq.exceptions import NoSuchJobError
from rq.serializers import JSONSerializer, PickleSerializer

from tasks.broker.client import connection_options
from tasks.conf import get_config

#: What RQ writes in the place of a value that its serializer cannot hold.
UNSERIALIZABLE = UNSERIALIZABLE_RETURN_VALUE_PAYLOAD


class Here(Protocol):
    """The job that runs in a context."""

    id: str
    pickled: bool
    rq_job: Any


@cache
def _connection() -> redis.Redis:
    """A connection of this process's own, made when a job first asks for it."""
    return redis.Redis.from_url(get_config().broker_url(), **connection_options())


def rq_job_of(here: Here) -> rq.job.Job | None:
    """Return RQ's object of a job, or None where Redis has forgotten it.

    It is one object from the job's start to its callbacks, as in a stock worker: what a
    task changed in `job.meta` is there when it asks again.
    """
    if here.rq_job is None:
        serializer = PickleSerializer if here.pickled else JSONSerializer
        try:
            here.rq_job = rq.job.Job.fetch(here.id, _connection(), serializer)
        except NoSuchJobError:
            return None
    job: rq.job.Job = here.rq_job
    return job


def ended_rq_job(here: Here, state: str) -> rq.job.Job | None:
    """Return RQ's object as its callbacks know it: ended, though Redis is not told yet."""
    job = rq_job_of(here)
    if job is not None:
        job.ended_at = datetime.now(UTC)
        job._status = rq.job.JobStatus(state)
    return job


class _CurrentJob:
    """Stands in for RQ's per-thread stack, which answers with the wrong job where many
    coroutines take turns."""

    def __init__(self, current: Callable[[], Here]) -> None:
        self._current = current
        #: Jobs that the current one runs itself, on a Queue(is_async=False).
        self._inner: ContextVar[tuple[rq.job.Job, ...]] = ContextVar(
            "inner", default=()
        )

    @property
    def top(self) -> rq.job.Job | None:
        if inner := self._inner.get():
            return inner[-1]
        here = self._current()
        return rq_job_of(here) if here.id else None

    def push(self, job: rq.job.Job) -> None:
        self._inner.set((*self._inner.get(), job))

    def pop(self) -> rq.job.Job:
        *rest, last = self._inner.get()
        self._inner.set(tuple(rest))
        return last


def serve_current_job(current: Callable[[], Here]) -> None:
    """Have `rq.get_current_job()` answer with the job that `current` names."""
    rq.job._job_stack = _CurrentJob(current)  # type: ignore[assignment]


class AskedRetry(NamedTuple):
    """What a task asked for by returning RQ's Retry."""

    is_left: bool
    seconds: float


def asked_retry(value: object, retries: int) -> AskedRetry | None:
    """Return what a task asked for after so many retries; None for any other value."""
    if not isinstance(value, rq.job.Retry):
        return None
    seconds = rq.job.Retry.get_interval(retries, value.intervals)
    return AskedRetry(retries < value.max, seconds)
