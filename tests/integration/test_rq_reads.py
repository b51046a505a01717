from __future__ import annotations

from pathlib import Path

import pytest
from rq import Queue, Worker
from rq.job import Job, JobStatus
from rq.registry import (
    FailedJobRegistry,
    FinishedJobRegistry,
    StartedJobRegistry,
)
from rq.results import Result
from rq.serializers import JSONSerializer

from tests.conftest import wait_until
from tests.engine import client, events, push_job, status
from tests.integration.conftest import START, Fleet

pytestmark = pytest.mark.integration


def fetch(job_id: str) -> Job:
    return Job.fetch(job_id, connection=client(), serializer=JSONSerializer)


def ids(registry: StartedJobRegistry | FinishedJobRegistry) -> list[str]:
    return [found.split(":")[0] for found in registry.get_job_ids(cleanup=False)]


def test_rq_reads_jobs_results_registries_and_workers(
    fleet: Fleet, folder: Path
) -> None:
    path = "tests.sample.wait_for"
    kwargs = {"path": str(folder / "go")}
    push_job("waits", task=path, path=path, kwargs=kwargs)
    push_job("good")
    push_job("bad", task="tests.sample.fail", path="tests.sample.fail", kwargs={})
    fleet.worker("--children", "2", "--queues", "default")
    done = ("finished", "failed")
    wait_until(lambda: status("good") in done and status("bad") in done, START)

    good, bad, waits = fetch("good"), fetch("bad"), fetch("waits")
    result, failure = good.latest_result(), bad.latest_result()
    assert result is not None
    assert failure is not None
    assert (result.type, result.return_value) == (Result.Type.SUCCESSFUL, 3)
    assert failure.type == Result.Type.FAILED
    assert "ValueError: no luck" in str(failure.exc_string)
    assert (good.is_finished, bad.is_failed, waits.is_started) == (True, True, True)
    assert good.return_value() == 3
    assert good.ended_at is not None

    named = {"name": "default", "connection": client(), "serializer": JSONSerializer}
    assert ids(StartedJobRegistry(**named)) == ["waits"]
    assert ids(FinishedJobRegistry(**named)) == ["good"]
    assert ids(FailedJobRegistry(**named)) == ["bad"]
    (execution,) = waits.get_executions()
    assert execution.job_id == "waits"
    assert waits.worker_name == "w1"

    (worker,) = Worker.all(connection=client(), serializer=JSONSerializer)
    assert (worker.name, worker.queue_names()) == ("w1", ["default"])
    assert worker.get_state() == "busy"
    assert worker.successful_job_count == 1
    assert worker.failed_job_count == 1
    wait_until(lambda: worker.get_current_job_id() == "waits")  # told by each beat

    (folder / "go").touch()
    wait_until(lambda: status("waits") == "finished")
    wait_until(lambda: Worker.all(connection=client())[0].get_state() == "idle")


def test_a_stock_client_s_job_runs_and_is_recorded_with_its_call(fleet: Fleet) -> None:
    queue = Queue("default", connection=client(), serializer=JSONSerializer)
    task = queue.enqueue("tests.sample.add", 1, b="41", job_timeout=30)
    plain = queue.enqueue("tests.plain.multiply", 6, 7)
    other = queue.enqueue("os.getpid")
    fleet.worker("--children", "1", TASKYARD_RQ_MODULES="tests.plain")
    jobs = (task, plain, other)
    wait_until(lambda: all(j.get_status() in ENDED for j in jobs), START)
    assert (task.return_value(), plain.return_value()) == (42, 42)
    refusal = fetch(other.id).latest_result()
    assert refusal is not None
    assert "function os.getpid is not registered" in str(refusal.exc_string)
    first = next(event for event in events() if event["id"] == task.id)
    assert first.raw("rq.data")


ENDED = (JobStatus.FINISHED, JobStatus.FAILED)
