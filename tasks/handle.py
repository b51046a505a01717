"""A submitted job, as its submitter holds it."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from tasks.broker import jobs as broker_jobs
from tasks.broker.wire import decode_result
from tasks.conf import can_use_ledger
from tasks.errors import BrokerUnavailable, JobFailed, JobNotFound, ResultTimeout
from tasks.states import ENDED, State
from tasks.stored_words import word_error, word_last_line
from tasks.text import gettext as _


@dataclass(frozen=True)
class Handle:
    """One submitted job."""

    id: str
    #: False where an idempotency key returned a job that was there before.
    created: bool = True

    @property
    def state(self) -> State:
        """The job's state now. Raises JobNotFound."""
        try:
            state = broker_jobs.read_state(self.id)
        except BrokerUnavailable:
            state = None
        if state == State.FAILED:
            return _own_word(self.id) or state
        return state or State(_ledger_job(self.id).state)

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the job to end and return what the task returned.

        Raises JobFailed where it ended otherwise, and ResultTimeout after `timeout`
        seconds (None waits for ever).
        """
        try:
            outcome = broker_jobs.wait_for_outcome(self.id, timeout, self._is_open)
        except TimeoutError as error:
            raise ResultTimeout(self.id, timeout or 0) from error
        if outcome is None:
            return _ledger_result(self.id)
        if outcome.state == State.FINISHED:
            return decode_result(outcome.result)
        reason = outcome.traceback.strip().rpartition("\n")[2]
        raise JobFailed(self.id, outcome.state, word_last_line(reason))

    def _is_open(self) -> bool:
        """Say whether the ledger still expects the job to end. Raises JobNotFound."""
        return _ledger_job(self.id).state not in ENDED

    def __await__(self) -> Generator[Any, None, Any]:
        return asyncio.to_thread(self.result).__await__()


def _own_word(job_id: str) -> State | None:
    """Return our word for a job that RQ calls failed, where there is one."""
    try:
        told = State(_ledger_job(job_id).state)
    except JobNotFound:
        return None
    return told if told in (State.LOST, State.QUARANTINED) else None


def _ledger_job(job_id: str) -> Any:
    if not can_use_ledger():
        raise JobNotFound(job_id)
    from tasks.models import Job

    job = Job.objects.filter(pk=job_id).first()
    if job is None:
        raise JobNotFound(job_id)
    return job


def _ledger_result(job_id: str) -> Any:
    job = _ledger_job(job_id)
    if job.state != State.FINISHED:
        raise JobFailed(job_id, job.state, word_error(job.error, job.message))
    if job.result_cut:
        reason = _("its result is no longer kept whole; the ledger has its beginning")
        raise JobFailed(job_id, job.state, reason)
    return decode_result(job.result)
