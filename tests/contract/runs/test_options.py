"""What `Queue.enqueue` can say of a job, and what its worker makes of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rq.exceptions import DuplicateJobError
from rq.job import Job, JobStatus
from rq.results import Result

from tasks.broker import keys
from tests.conftest import wait_until
from tests.contract import functions
from tests.contract.running import Runner, registries_of
from tests.engine import client

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("function", [functions.multiply, functions.multiply_async])
def test_arguments_and_return_value(either: Runner, function: Any) -> None:
    job = either.wait(either.queue.enqueue(function, 6, b=7))
    assert (job.get_status(), job.return_value()) == (JobStatus.FINISHED, 42)
    assert registries_of(job, either.queue) == {"finished"}
    assert job.worker_name == f"{either.kind}-{either.name}"
    assert job.get_executions() == []
    assert job.enqueued_at < job.started_at < job.ended_at  # type: ignore[operator]


def test_the_result_says_who_ran_it_and_when(runner: Runner) -> None:
    job = runner.run(functions.multiply, 2)
    (result,) = job.results()
    assert result == job.latest_result()
    assert result.type == Result.Type.SUCCESSFUL
    assert result.worker_name == f"{runner.kind}-contract"
    assert len(result.execution_id or "") == 32
    assert result.execution_started_at < result.execution_ended_at  # type: ignore[operator]
    assert datetime.now(UTC) - result.created_at < timedelta(minutes=1)


def test_a_waiting_client_gets_the_result(runner: Runner) -> None:
    job = runner.enqueue(functions.multiply, 2, 3)
    result = job.latest_result(timeout=5)
    assert result is not None
    assert result.return_value == 6


def test_no_return_value(either: Runner) -> None:
    job = either.run(functions.nothing)
    assert job.get_status() == JobStatus.FINISHED
    assert job.return_value() is None


def test_a_failure_says_what_and_where(either: Runner) -> None:
    job = either.run(functions.fail, "no luck today")
    result = job.latest_result()
    assert result is not None
    assert result.type == Result.Type.FAILED
    assert "raise ValueError(text)\nValueError: no luck today" in str(result.exc_string)
    assert registries_of(job, either.queue) == {"failed"}
    assert job.ended_at is not None


def test_an_execution_is_there_while_the_job_runs(runner: Runner) -> None:
    job = runner.enqueue(functions.wait_for, "go")
    wait_until(lambda: client().hget(job.key, "status") == b"started")
    (execution,) = job.get_executions()
    assert execution.worker_name == f"{runner.kind}-contract"
    assert registries_of(job, runner.queue) == {"started"}
    assert runner.queue.started_job_registry.get_job_and_execution_ids(
        cleanup=False
    ) == [(job.id, execution.id)]
    client().set("go", 1)
    assert runner.wait(job).return_value() == "seen"


@pytest.mark.parametrize("function", [functions.sleep, functions.sleep_async])
def test_timeout(runner: Runner, function: Any) -> None:
    job = runner.run(function, 30, job_timeout=1)
    assert job.is_failed
    assert "1 s" in job.latest_result().exc_string  # type: ignore[union-attr,operator]


@pytest.mark.parametrize(("timeout", "seconds"), [(-1, -1), ("2m", 120)])
def test_a_timeout_is_none_or_words(runner: Runner, timeout: Any, seconds: int) -> None:
    job = runner.run(functions.multiply, 2, job_timeout=timeout)
    assert (job.return_value(), job.timeout) == (2, seconds)


def test_the_default_timeout_is_the_queue_s(runner: Runner) -> None:
    assert runner.run(functions.nothing).timeout == 180


@pytest.mark.parametrize(("ttl", "kept"), [(None, 500), (60, 60), ("2m", 120)])
def test_result_ttl(runner: Runner, ttl: Any, kept: int) -> None:
    job = runner.run(functions.multiply, 2, result_ttl=ttl)
    for key in (job.key, Result.get_key(job.id)):
        assert kept - 5 < client().ttl(key) <= kept
    expires = runner.queue.finished_job_registry.get_expiration_time(job)
    left = expires - datetime.now(UTC)
    assert timedelta(seconds=kept - 5) < left <= timedelta(seconds=kept)


def test_a_result_ttl_of_minus_one_keeps_it(runner: Runner) -> None:
    job = runner.run(functions.multiply, 2, result_ttl=-1)
    assert client().ttl(job.key) == client().ttl(Result.get_key(job.id)) == -1
    assert client().zscore(keys.finished("contract"), job.id) == float("inf")


def test_a_result_ttl_of_nought_forgets_the_job(runner: Runner) -> None:
    job = runner.enqueue(functions.multiply, 2, result_ttl=0)
    wait_until(lambda: not Job.exists(job.id, client()))
    assert client().exists(Result.get_key(job.id), job.dependents_key) == 0
    assert registries_of(job, runner.queue) == set()


@pytest.mark.parametrize(("ttl", "kept"), [(None, 31_536_000), (60, 60)])
def test_failure_ttl(runner: Runner, ttl: int | None, kept: int) -> None:
    job = runner.run(functions.fail, failure_ttl=ttl)
    score = client().zscore(keys.failed("contract"), job.id)
    assert abs(score - datetime.now(UTC).timestamp() - kept) < 5


def test_a_failure_ttl_of_minus_one_keeps_it(runner: Runner) -> None:
    job = runner.run(functions.fail, failure_ttl=-1)
    assert client().ttl(job.key) == client().ttl(Result.get_key(job.id)) == -1
    # RQ writes -1 here and +inf for a finished job; its cleanup leaves both.
    score = client().zscore(keys.failed("contract"), job.id)
    assert score == (float("inf") if runner.is_ours else -1)
    assert job.id in runner.queue.failed_job_registry.get_job_ids()


def test_a_failure_ttl_of_nought_forgets_the_job(runner: Runner) -> None:
    job = runner.enqueue(functions.fail, failure_ttl=0)
    wait_until(lambda: not Job.exists(job.id, client()))
    assert client().exists(Result.get_key(job.id)) == 0


def test_a_ttl_ends_the_wait_and_no_more(runner: Runner) -> None:
    """RQ expires the waiting job; once it runs, only the result's ttl counts."""
    assert client().ttl(runner.run(functions.nothing, ttl=60).key) > 60
    ran = runner.behind_a_gate(
        lambda: runner.enqueue(functions.note, "first", ttl=60),
    )
    assert ran == ["first"]


def test_a_job_that_expired_in_its_queue_is_passed_over(runner: Runner) -> None:
    gate = runner.enqueue(functions.wait_for, "gate")
    runner.wait(gate, JobStatus.STARTED)
    expired = runner.enqueue(functions.note, "expired", ttl=60)
    client().delete(expired.key)  # as Redis does when the ttl is over
    later = runner.enqueue(functions.note, "later")
    client().set("gate", "open")
    runner.wait(later)
    assert client().lrange("noted", 0, -1) == [b"later"]
    assert not Job.exists(expired.id, client())


def test_at_front(runner: Runner) -> None:
    ran = runner.behind_a_gate(
        lambda: runner.enqueue(functions.note, "first"),
        lambda: runner.enqueue(functions.note, "second"),
        lambda: runner.enqueue(functions.note, "before", at_front=True),
    )
    assert ran == ["before", "first", "second"]


def test_a_description_and_an_id_of_the_client_s_own(runner: Runner) -> None:
    job = runner.run(
        functions.multiply, 2, description="Double (or quits)", job_id="own-id_1"
    )
    assert (job.id, job.description) == ("own-id_1", "Double (or quits)")
    assert job.return_value() == 2


def test_a_coroutine_with_a_misleading_description(runner: Runner) -> None:
    job = runner.run(functions.multiply_async, 3, description="anything")
    assert job.return_value() == 3


@pytest.mark.parametrize(
    "function", [functions.add_to_meta, functions.add_to_meta_async]
)
def test_meta(either: Runner, function: Any) -> None:
    job = either.run(function, "colour", ["red"], meta={"owner": "Ann"})
    assert job.meta == {"owner": "Ann", "colour": ["red"]}
    assert job.return_value() == job.meta
    assert job.get_meta(refresh=True) == job.meta


def test_the_current_job_is_one_object_all_the_while(either: Runner) -> None:
    """What one call changed in its meta, a later one saves."""
    job = either.run(functions.leave_in_meta, "colour", "red")
    assert job.is_finished, job.latest_result()
    assert job.meta == {"colour": "red"}


def test_unique(runner: Runner) -> None:
    options = {"job_id": "only-one", "unique": True}
    job = runner.enqueue(functions.wait_for, "go", **options)
    with pytest.raises(DuplicateJobError):
        runner.enqueue(functions.wait_for, "go", **options)
    client().set("go", 1)
    runner.wait(job)
    with pytest.raises(DuplicateJobError):
        runner.enqueue(functions.wait_for, "go", **options)
    job.delete()
    assert runner.run(functions.wait_for, "go", **options).is_finished


def test_a_known_id_enqueued_again_runs_again(runner: Runner) -> None:
    runner.run(functions.multiply, 2, job_id="again")
    job = runner.run(functions.multiply, 3, job_id="again")
    assert [result.return_value for result in job.results()] == [3, 2]


def test_enqueue_call_and_enqueue_job(runner: Runner) -> None:
    called = runner.queue.enqueue_call("tests.contract.functions.multiply", (2, 4))
    made = Job.create(
        functions.multiply, [5, 5], connection=client(), serializer=runner.serializer
    )
    runner.queue.enqueue_job(made)
    assert runner.wait(called).return_value() == 8
    assert runner.wait(made).return_value() == 25


def test_a_job_enqueued_by_its_path_that_leads_nowhere(runner: Runner) -> None:
    job = runner.run("tests.contract.functions.missing")
    assert job.is_failed
    assert "missing" in job.latest_result().exc_string  # type: ignore[union-attr,operator]
