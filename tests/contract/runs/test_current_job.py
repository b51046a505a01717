"""`rq.get_current_job()`, where a thousand jobs take turns in one thread."""

from __future__ import annotations

import uuid

import pytest
from rq import Queue, get_current_job

from tests.conftest import wait_until
from tests.contract import functions
from tests.contract.running import Runner

pytestmark = pytest.mark.integration

PARTY = 1_000


def test_each_of_a_thousand_interleaved_coroutines_has_its_own(runner: Runner) -> None:
    if not runner.is_ours:
        pytest.skip("a stock worker runs one job at a time")
    party = uuid.uuid4().hex
    jobs = runner.queue.enqueue_many(
        Queue.prepare_data(functions.meet, (party, PARTY, number))
        for number in range(PARTY)
    )
    finished = runner.queue.finished_job_registry
    wait_until(lambda: finished.get_job_count(cleanup=False) == PARTY, 30)
    for number, job in enumerate(jobs):
        ended = runner.fetch(job)
        assert ended.return_value() == [job.id, job.id]
        assert ended.meta == {"number": number}


def test_a_job_that_runs_another_itself(runner: Runner) -> None:
    """On a Queue(is_async=False), which RQ's own code runs on the spot."""
    job = runner.run(functions.run_inner)
    outer, inner, after = job.return_value()
    assert outer == after == job.id
    assert inner != job.id


def test_there_is_none_elsewhere() -> None:
    assert get_current_job() is None
