"""RQ's command line, django-rq and rq-dashboard on our data, while our worker runs."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from django_rq import get_connection, get_queue, utils
from rq import Queue, Worker
from rq.cli.cli import main
from rq.job import Job
from rq.registry import StartedJobRegistry

from tests.conftest import wait_until
from tests.contract.stock import JSON, beside, fetch, fill, ids, push_waiter, queue
from tests.engine import client, make_due, move, push_job, run_next, status, waiting
from tests.tasks.worker.running import run_until


def rq(command: str, *words: str) -> str:
    """Run a command of RQ's program and return what it printed."""
    options = ["--url", os.environ["REDIS_URL"], *words]
    done = CliRunner().invoke(main, [command, *options], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_rq_info_shows_our_queues_and_workers(tmp_path: Path) -> None:
    expected = fill(tmp_path)
    push_job("waiting", queue="mail")

    def look() -> None:
        wait_until(lambda: ids(cleanup=False) == expected)
        raw = rq("info", "--raw")
        assert "queue default 0, 1 executing, 1 finished, 1 failed" in raw
        assert "queue mail 1, 0 executing, 0 finished, 0 failed" in raw
        assert "worker w1 (" in raw
        assert "busy default. jobs: 1 finished, 2 failed" in raw
        text = rq("info")
        assert "2 queues, 1 jobs total" in text
        assert "1 workers, 2 queues" in text
        assert "w1 (busy)" in rq("info", "--by-queue", "--only-workers", "default")
        (tmp_path / "go").touch()
        wait_until(lambda: status("child") == "finished")

    beside(look, children=1)


def test_rq_s_commands_act_on_our_jobs() -> None:
    push_job("a")
    run_next("fail")
    text = rq("requeue", "--queue", "default", "--serializer", JSON, "--all")
    assert "Requeueing 1 jobs from failed queue" in text
    assert waiting() == ["a"]
    rq("suspend")
    assert client().exists("rq:suspended")
    rq("resume")
    assert not client().exists("rq:suspended")
    run_until(lambda: status("a") == "finished", children=1)
    push_job("b")
    assert "1 jobs removed from default queue" in rq("empty", "default")


def test_rq_enqueue_is_run_by_our_worker(tmp_path: Path) -> None:
    (tmp_path / "two.json").write_text("2")
    options = ["--serializer", JSON, "--queue", "default", "--job-id", "a"]
    rq("enqueue", *options, "tests.sample.add", ":40", f"b:=@{tmp_path / 'two.json'}")
    run_until(lambda: status("a") in ("finished", "failed"), children=1)
    assert fetch("a").return_value() == 42


# django-rq: the functions that its pages and its statistics call.


def test_django_rq_counts_our_jobs(tmp_path: Path) -> None:
    expected = fill(tmp_path)

    def look() -> None:
        wait_until(lambda: ids(cleanup=False) == expected)
        for maintenance in (False, True):
            (found,) = utils.get_statistics(run_maintenance_tasks=maintenance)["queues"]
            assert (found["name"], found["workers"], found["jobs"]) == ("default", 1, 0)
            counted = {name: found[f"{name}_jobs"] for name in COUNTED}
            assert counted == dict.fromkeys(COUNTED, 1)
            assert found["oldest_job_timestamp"] == "-"
            assert json.dumps(found)
        (tmp_path / "go").touch()
        wait_until(lambda: status("child") == "finished")

    beside(look, children=1)
    push_job("waiting")
    (found,) = utils.get_statistics()["queues"]
    assert (found["jobs"], found["workers"]) == (1, 0)
    assert found["oldest_job_timestamp"].startswith(str(datetime.now(UTC).year))


COUNTED = ("started", "finished", "failed", "deferred", "scheduled")


def test_django_rq_s_queue_enqueues_for_our_worker_and_lists_our_jobs() -> None:
    push_job("ours")
    found = get_queue("default")
    theirs = found.enqueue("tests.sample.add", 40)
    assert [job.id for job in utils.get_jobs(found, ["ours", theirs.id, "gone"])] == [
        "ours",
        theirs.id,
    ]
    run_until(lambda: status(theirs.id) == "finished", children=1)
    assert found.fetch_job(theirs.id).return_value() == 42
    assert get_connection("default").exists("rq:job:ours")


def test_django_rq_s_buttons_work_on_our_jobs(tmp_path: Path) -> None:
    push_waiter("a", tmp_path / "go")

    def press() -> None:
        wait_until(lambda: status("a") == "started")
        started = StartedJobRegistry(queue=queue())
        (execution,) = utils.get_executions(
            queue(), started.get_job_and_execution_ids()
        )
        assert execution.worker_name == "w1"
        assert utils.stop_jobs(queue(), ["a", "gone"]) == (["a"], ["gone"])
        wait_until(lambda: status("a") == "stopped")

    beside(press)
    (tmp_path / "go").touch()
    push_job("failed")
    run_next("fail")
    push_job("late", due_at=datetime.now(UTC) + timedelta(hours=1))
    for job_id in ("failed", "late"):
        utils.requeue_job(queue(), fetch(job_id))
    assert waiting() == ["failed", "late"]
    run_until(lambda: status("failed") == status("late") == "finished", children=1)
    make_due("late")
    move()
    assert waiting() == [], "it ran before its moment, and once"


# rq-dashboard 0.9: what its pages read and its buttons call, with `--json`.


def dashboard_job(job_id: str) -> dict[str, Any]:
    job = fetch(job_id)
    latest = job.latest_result()
    return {
        "created_at": job.created_at and job.created_at.isoformat(),
        "enqueued_at": job.enqueued_at and job.enqueued_at.isoformat(),
        "ended_at": job.ended_at and job.ended_at.isoformat(),
        "origin": job.origin,
        "status": str(job.get_status()),
        "result": job.return_value(),
        "exc_info": latest.exc_string if latest else None,
        "description": job.description,
        "metadata": json.dumps(job.get_meta()),
    }


def dashboard_workers() -> list[dict[str, Any]]:
    """Its workers' page knows no serializer: JSON is read as what it is not."""
    return [
        {
            "name": worker.name,
            "queues": [q.name for q in worker.queues],
            "state": str(worker.get_state()),
            "current": worker.get_current_job_id(),
            "born": worker.birth_date.isoformat(),
            "working": worker.total_working_time,
        }
        for worker in Worker.all(connection=client())
    ]


def test_rq_dashboard_reads_our_jobs_and_workers(tmp_path: Path) -> None:
    expected = fill(tmp_path)

    def look() -> None:
        wait_until(lambda: ids(cleanup=False) == expected)
        (page,) = sorted(Queue.all(connection=client()))
        assert (page.name, page.count) == ("default", 0)
        shown = {name: dashboard_job(listed[0]) for name, listed in expected.items()}
        assert all(job["created_at"] for job in shown.values())
        assert all(job["description"] for job in shown.values())
        assert {name: job["status"] for name, job in shown.items()} == {
            name: f"JobStatus.{name.upper()}" for name in expected
        }
        assert shown["finished"]["result"] == 3
        assert "ValueError: no luck" in shown["failed"]["exc_info"]
        (worker,) = dashboard_workers()
        assert (worker["name"], worker["queues"]) == ("w1", ["default"])
        assert worker["state"] == "busy"
        assert worker["current"]
        (tmp_path / "go").touch()
        wait_until(lambda: status("child") == "finished")

    beside(look, children=1)


@pytest.mark.parametrize("state", ["finished", "failed", "scheduled", "canceled"])
def test_rq_dashboard_empties_a_registry(state: str, tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    expected = fill(tmp_path)
    jobs = expected[state]
    run_until(lambda: set(jobs) <= set(ids(cleanup=False)[state]), children=1)
    for job_id in ids()[state]:
        Job.fetch(job_id, connection=client()).delete()
    assert ids()[state] == []
    assert not any(Job.exists(job_id, client()) for job_id in jobs)
