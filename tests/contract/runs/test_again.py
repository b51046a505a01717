"""When a job runs again: after a failure, because it said so, or after a success."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from rq import Callback, Repeat, Retry
from rq.job import Job, JobStatus
from rq.results import Result

from tasks.broker import keys
from tests.conftest import wait_until
from tests.contract import functions
from tests.contract.running import Runner, registries_of, told
from tests.engine import client

pytestmark = pytest.mark.integration


# After a failure.


def test_retries_at_once(runner: Runner) -> None:
    job = runner.enqueue(functions.fail_times, 2, retry=Retry(max=3))
    ended = runner.wait(job, JobStatus.FINISHED)
    assert (ended.return_value(), ended.retries_left) == (3, 1)
    assert registries_of(job, runner.queue) == {"finished"}


def test_retries_that_are_used_up(runner: Runner) -> None:
    job = runner.enqueue(functions.fail_times, 9, retry=Retry(max=2))
    ended = runner.wait(job, JobStatus.FAILED)
    assert ended.retries_left == 0
    assert "run 3" in ended.latest_result().exc_string  # type: ignore[union-attr,operator]
    assert registries_of(job, runner.queue) == {"failed"}


def test_retries_with_intervals(runner: Runner) -> None:
    retry = Retry(max=3, interval=[100, 200])
    job = runner.enqueue(functions.fail_times, 9, retry=retry)
    gaps = []
    for _retry in range(3):
        gaps.append(_seconds_to_wait(job, runner))
        runner.release(job)
    runner.wait(job, JobStatus.FAILED)
    # RQ 2.12, `Job.get_retry_interval`: the first serves while more are left.
    assert gaps == pytest.approx([100, 100, 200], abs=2)


def _seconds_to_wait(job: Job, runner: Runner) -> float:
    """Return for how long a job has been set aside, once it has."""
    wait_until(lambda: "scheduled" in registries_of(job, runner.queue))
    # A stock worker writes the status after the registry.
    wait_until(lambda: job.get_status() == JobStatus.SCHEDULED)
    score = client().zscore(keys.scheduled(runner.name), job.id)
    return score - datetime.now(UTC).timestamp()


def test_a_retry_at_the_front(runner: Runner) -> None:
    retry = Retry(max=1, enqueue_at_front=True)
    first = partial(runner.enqueue, functions.note_run, "a", retry=retry)
    ran = runner.behind_a_gate(first, *runner.others())
    assert ran[0] == "a 1"
    assert ran.index("a 2") < ran.index("last")


# Because it said so.


@pytest.mark.parametrize("function", [functions.ask_again, functions.ask_again_async])
def test_a_returned_retry(runner: Runner, function: Any) -> None:
    on_success = Callback(functions.tell)
    job = runner.enqueue(function, 2, 5, on_success=on_success)
    ended = runner.wait(job, JobStatus.FINISHED)
    assert told(job) == ["success 3"]
    assert (ended.return_value(), ended.number_of_retries) == (3, 2)
    kinds = [result.type for result in ended.results()]
    assert kinds == [
        Result.Type.SUCCESSFUL,
        Result.Type.RETRIED,
        Result.Type.RETRIED,
    ]


def test_returned_retries_that_are_used_up(runner: Runner) -> None:
    job = runner.enqueue(functions.ask_again, 9, 2)
    ended = runner.wait(job, JobStatus.FAILED)
    assert ended.number_of_retries == 2
    kinds = [result.type for result in ended.results()]
    assert kinds == [
        Result.Type.MAX_RETRIES_EXCEEDED,
        Result.Type.RETRIED,
        Result.Type.RETRIED,
    ]
    assert registries_of(job, runner.queue) == {"failed"}


def test_a_returned_retry_with_an_interval(runner: Runner) -> None:
    job = runner.enqueue(functions.ask_again, 1, 5, 100)
    assert _seconds_to_wait(job, runner) == pytest.approx(100, abs=2)
    runner.release(job)
    assert runner.wait(job, JobStatus.FINISHED).return_value() == 2


def test_a_pickled_job_s_returned_retry(pickling: Runner) -> None:
    job = pickling.enqueue(functions.ask_again, 1, 5)
    ended = pickling.wait(job, JobStatus.FINISHED)
    assert [result.type for result in ended.results()] == [
        Result.Type.SUCCESSFUL,
        Result.Type.RETRIED,
    ]


# After a success.


def _runs(job: Job) -> Callable[[], int]:
    return lambda: int(client().get(f"runs:{job.id}") or 0)


def test_repeats_at_once(runner: Runner) -> None:
    job = runner.enqueue(functions.count_runs, repeat=Repeat(times=2))
    wait_until(lambda: _runs(job)() == 3)
    ended = runner.wait(job, JobStatus.FINISHED)
    wait_until(lambda: runner.fetch(job).return_value() == 3)
    assert ended.repeats_left == 0
    assert [result.return_value for result in ended.results()] == [3, 2, 1]


def test_repeats_with_intervals(runner: Runner) -> None:
    repeat = Repeat(times=2, interval=[100, 200])
    job = runner.enqueue(functions.count_runs, repeat=repeat)
    gaps = []
    for _repeat in range(2):
        gaps.append(_seconds_to_wait(job, runner))
        runner.release(job)
    ended = runner.wait(job, JobStatus.FINISHED)
    assert (ended.return_value(), ended.repeats_left) == (3, 0)
    assert json.loads(client().hget(job.key, "repeat_intervals") or b"") == [100, 200]
    # A stock worker takes its list from the end.
    expected = [100, 200] if runner.is_ours else [200, 100]
    assert gaps == pytest.approx(expected, abs=2)


def test_a_failure_ends_the_repeats(runner: Runner) -> None:
    job = runner.run(functions.fail, repeat=Repeat(times=2))
    assert (job.get_status(), job.repeats_left) == (JobStatus.FAILED, 2)
