"""RQ's own objects for the job that runs here: for callbacks and `get_current_job`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import redis
import rq.job
from rq.exceptions import NoSuchJobError
from rq.serializers import JSONSerializer

from tasks.broker.client import connection_options
from tasks.conf import get_config


@cache
def _connection() -> redis.Redis:
    """A connection of this process's own, made when a job first asks for it."""
    return redis.Redis.from_url(get_config().broker_url(), **connection_options())


def fetch_rq_job(job_id: str) -> rq.job.Job | None:
    """Return RQ's object of a job, or None where Redis has forgotten it."""
    try:
        return rq.job.Job.fetch(job_id, _connection(), serializer=JSONSerializer)
    except NoSuchJobError:
        return None


class _CurrentJob:
    """Stands in for RQ's per-thread stack, which answers with the wrong job where many
    coroutines take turns."""

    def __init__(self, current_id: Callable[[], str]) -> None:
        self._current_id = current_id

    @property
    def top(self) -> rq.job.Job | None:
        job_id = self._current_id()
        return fetch_rq_job(job_id) if job_id else None


def serve_current_job(current_id: Callable[[], str]) -> None:
    """Have `rq.get_current_job()` answer with the job that `current_id` names."""
    rq.job._job_stack = _CurrentJob(current_id)  # type: ignore[assignment]
