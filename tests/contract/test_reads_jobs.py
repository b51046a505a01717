"""A job of ours, read by RQ's `Job` and `Result` while our worker runs it and after."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rq.exceptions import NoSuchJobError
from rq.job import Job, JobStatus
from rq.results import Result
from rq.serializers import JSONSerializer

from tests.conftest import wait_until
from tests.contract.stock import beside, fetch, push_async, push_waiter, queue
from tests.engine import client, push_job, status
from tests.tasks.worker.running import run_until


def run_to_the_end(*job_ids: str, **options: Any) -> None:
    ended = ("finished", "failed", "stopped")
    run_until(lambda: all(status(job_id) in ended for job_id in job_ids), **options)


def is_now(moment: datetime | None) -> bool:
    return moment is not None and abs(datetime.now(UTC) - moment) < timedelta(
        seconds=30
    )


def test_a_waiting_job_reads_as_rq_s_own() -> None:
    push_job("a", args=[1], kwargs={"b": 2}, description="adds", timeout=77)
    push_job("b", retries=3, backoff=10)
    job = fetch("a")
    assert (job.get_status(), job.is_queued) == (JobStatus.QUEUED, True)
    assert (job.func_name, job.args, job.kwargs) == ("tests.sample.add", [1], {"b": 2})
    assert job.func(*job.args, **job.kwargs) == 3
    assert (job.origin, job.description, job.timeout) == ("default", "adds", 77)
    assert is_now(job.created_at)
    assert is_now(job.enqueued_at)
    assert (job.started_at, job.ended_at, job.worker_name) == (None, None, None)
    assert (job.get_position(), fetch("b").get_position()) == (0, 1)
    assert (fetch("b").retries_left, fetch("b").retry_intervals) == (3, [10, 20, 40])
    assert (job.meta, job.get_meta(), job.latest_result()) == ({}, {}, None)


def test_many_are_fetched_at_once() -> None:
    push_job("a")
    push_job("b")
    names = ["a", "gone", "b"]
    found = Job.fetch_many(names, client(), JSONSerializer)
    assert [job and job.id for job in found] == ["a", None, "b"]
    assert (Job.exists("a", client()), Job.exists("gone", client())) == (True, False)
    with pytest.raises(NoSuchJobError):
        fetch("gone")


def test_a_running_job_reads_as_started(tmp_path: Path) -> None:
    push_waiter("a", tmp_path / "go")

    def look() -> None:
        wait_until(lambda: status("a") == "started")
        job = fetch("a")
        assert (job.is_started, job.worker_name) == (True, "w1")
        assert is_now(job.started_at)
        assert is_now(job.last_heartbeat)
        assert (job.ended_at, job.get_position(), job.return_value()) == (None,) * 3
        (execution,) = job.get_executions()
        assert (execution.job_id, execution.worker_name) == ("a", "w1")
        assert is_now(execution.created_at)
        assert is_now(execution.last_heartbeat)
        (tmp_path / "go").touch()
        wait_until(lambda: status("a") == "finished")

    beside(look)
    assert fetch("a").get_executions() == []


def test_a_finished_job_has_its_result() -> None:
    push_async("a", "add_async", kwargs={"a": 40})
    run_to_the_end("a")
    job = fetch("a")
    assert (job.is_finished, job.return_value()) == (True, 42)
    with pytest.deprecated_call():
        assert (job.result, job.exc_info) == (42, None)
    assert is_now(job.ended_at)
    assert job.started_at is not None
    assert job.ended_at >= job.started_at
    result = job.latest_result()
    assert result is not None
    assert (result.type, result.return_value) == (Result.Type.SUCCESSFUL, 42)
    assert (result.worker_name, result.job_id) == ("w1", "a")
    assert is_now(result.created_at)


def test_a_failed_job_has_its_traceback() -> None:
    push_job("a", task="tests.sample.fail", path="tests.sample.fail", kwargs={})
    run_to_the_end("a", children=1)
    job = fetch("a")
    assert (job.is_failed, job.return_value()) == (True, None)
    assert is_now(job.ended_at)
    result = job.latest_result()
    assert result is not None
    assert result.type == Result.Type.FAILED
    assert str(result.exc_string).endswith("ValueError: no luck\n")
    with pytest.deprecated_call():
        assert job.exc_info == result.exc_string


def test_the_history_has_every_attempt() -> None:
    """RQ 2.12 keeps the last of these attempts only."""
    push_job(
        "a",
        task="tests.sample.fail",
        path="tests.sample.fail",
        kwargs={},
        retries=2,
        backoff=0,
    )
    run_to_the_end("a", children=1)
    results = fetch("a").results()
    assert [result.type for result in results] == [Result.Type.FAILED] * 3
    assert len({result.execution_id for result in results}) == 3
    assert fetch("a").retries_left == 0


def test_somebody_waits_for_a_result_with_rq(tmp_path: Path) -> None:
    push_waiter("a", tmp_path / "go")

    def wait() -> None:
        assert fetch("a").latest_result() is None
        (tmp_path / "go").touch()
        result = fetch("a").latest_result(timeout=1)
        assert result is not None
        assert result.return_value == "seen"

    beside(wait)


def test_results_expire_when_the_client_said_so() -> None:
    ids = {"none": 0, "minute": 60, "never": -1}
    for job_id, ttl in ids.items():
        queue().enqueue("tests.sample.add", 1, job_id=job_id, result_ttl=ttl)
    run_until(lambda: not Job.exists("none", client()), children=1)
    run_to_the_end("minute", "never", children=1)
    ttl = {job_id: client().ttl(f"rq:job:{job_id}") for job_id in ids}
    assert ttl["none"] == -2
    assert 50 < ttl["minute"] <= 60
    assert ttl["never"] == -1
    assert fetch("never").return_value() == 3
    registry = queue().finished_job_registry
    assert registry.get_job_ids() == ["minute", "never"]
    assert 50 < client().ttl("rq:results:minute") <= 60


def test_meta_and_description_of_a_stock_client_stay() -> None:
    job = queue().enqueue(
        "tests.sample.add", 1, job_id="a", meta={"who": "Ann"}, description="mine"
    )
    run_to_the_end("a", children=1)
    job.refresh()
    assert (job.meta, job.get_meta()) == ({"who": "Ann"}, {"who": "Ann"})
    assert job.description == "mine"


def test_a_job_of_ours_is_described_as_rq_describes_it() -> None:
    """Dashboards and RQ's own log name a job by its description."""
    args, kwargs = ["x" * 99, None], {"b": 2, "a": {"é": [1.5]}}
    push_job("a", args=args, kwargs=kwargs)
    stock = queue().enqueue("tests.sample.add", *args, **kwargs)
    assert fetch("a").description == stock.description
