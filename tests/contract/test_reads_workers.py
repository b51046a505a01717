"""A worker of ours, seen and told what to do through RQ's own API."""

from __future__ import annotations

import os
import platform
import signal
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rq import Worker
from rq.command import (
    send_kill_horse_command,
    send_shutdown_command,
    send_stop_job_command,
)
from rq.exceptions import InvalidJobOperation
from rq.serializers import JSONSerializer
from rq.suspension import is_suspended, resume, suspend
from rq.worker_registration import clean_worker_registry

from tasks.worker import lease
from tasks.worker.loop import Worker as OurWorker
from tests.conftest import wait_until
from tests.contract.stock import (
    beside,
    fetch,
    push_async,
    push_waiter,
    queue,
    worker_named,
    workers,
)
from tests.engine import client, kinds, push_job, status, waiting
from tests.integration.conftest import START, Fleet
from tests.tasks.worker.running import run_worker, until


@pytest.fixture(autouse=True)
def _fast_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beat every 50 ms instead of every 5 s."""
    monkeypatch.setattr(lease, "RENEW_EVERY", 0.05)


def is_recent(moment: datetime) -> bool:
    return abs(datetime.now(UTC) - moment) < timedelta(seconds=30)


def test_a_worker_is_registered_as_rq_registers_its_own() -> None:
    def look() -> None:
        # It is looked up beside the first beat.
        (worker,) = wait_until(lambda: [w for w in workers() if w.ip_address])
        assert (worker.name, worker.key) == ("w1", "rq:worker:w1")
        assert worker.queue_names() == ["default", "mail"]
        assert (worker.pid, worker.hostname) == (os.getpid(), socket.gethostname())
        assert worker.python_version == platform.python_version()
        assert worker.version.startswith("taskyard ")
        assert is_recent(worker.birth_date)
        assert is_recent(worker.last_heartbeat)
        assert (worker.get_state(), worker.get_current_job()) == ("idle", None)
        assert (worker.successful_job_count, worker.failed_job_count) == (0, 0)
        assert worker.total_working_time == 0
        assert worker.death_date is None
        assert Worker.count(connection=client()) == 1
        assert Worker.all_keys(connection=client()) == ["rq:worker:w1"]
        assert [w.name for w in Worker.all(queue=queue("mail"))] == ["w1"]
        assert Worker.all(queue=queue("other")) == []
        assert Worker.count(queue=queue("mail")) == 1

    beside(look, "default", "mail")
    assert (workers(), Worker.count(connection=client())) == ([], 0)
    gone = worker_named("w1")
    assert gone is not None
    assert is_recent(gone.death_date)
    assert client().ttl("rq:worker:w1") <= 60


def test_a_worker_says_what_it_does_and_did(tmp_path: Path) -> None:
    push_waiter("a", tmp_path / "go")
    push_job("bad", task="tests.sample.fail", path="tests.sample.fail", kwargs={})

    def look() -> None:
        wait_until(lambda: status("a") == "started" and status("bad") == "failed")
        assert worker_named("w1").get_state() == "busy"
        # One of those that run; told anew by each beat.
        wait_until(lambda: worker_named("w1").get_current_job_id() == "a")
        job = worker_named("w1").get_current_job()
        assert (job.id, job.func_name) == ("a", "tests.sample.wait_for_async")
        (tmp_path / "go").touch()
        wait_until(lambda: status("a") == "finished")
        wait_until(lambda: worker_named("w1").get_state() == "idle")
        worker = worker_named("w1")
        assert worker.get_current_job() is None
        assert (worker.successful_job_count, worker.failed_job_count) == (1, 1)
        assert worker.total_working_time > 0

    beside(look, children=1)


def test_the_stop_command_ends_one_job(tmp_path: Path) -> None:
    push_waiter("stopped", tmp_path / "go", retries=3)
    push_waiter("other", tmp_path / "go")

    def stop() -> None:
        wait_until(lambda: status("stopped") == status("other") == "started")
        send_stop_job_command(client(), "stopped", JSONSerializer)
        wait_until(lambda: fetch("stopped").is_stopped)
        assert fetch("other").is_started
        (tmp_path / "go").touch()
        wait_until(lambda: status("other") == "finished")

    beside(stop)
    result = fetch("stopped").latest_result()
    assert result is not None
    assert result.exc_string == "Job stopped by user, work-horse terminated."
    assert queue().failed_job_registry.get_job_ids() == ["stopped"]


def test_the_stop_command_refuses_a_job_that_nobody_runs() -> None:
    push_job("a")
    with pytest.raises(InvalidJobOperation):
        send_stop_job_command(client(), "a", JSONSerializer)


def test_the_kill_horse_command_is_for_one_job_a_worker_and_changes_nothing(
    tmp_path: Path,
) -> None:
    push_waiter("a", tmp_path / "go")

    def kill() -> None:
        wait_until(lambda: status("a") == "started")
        send_kill_horse_command(client(), "w1")
        client().publish("rq:pubsub:w1", "no JSON")
        (tmp_path / "go").touch()
        wait_until(lambda: status("a") == "finished")

    beside(kill)


def test_the_shutdown_command_lets_jobs_end(tmp_path: Path) -> None:
    push_waiter("a", tmp_path / "go")

    async def script(worker: OurWorker) -> None:
        await until(lambda: status("a") == "started")
        send_shutdown_command(client(), "w1")
        await until(worker._stopping.is_set)
        push_async("b", "add_async")
        (tmp_path / "go").touch()
        await until(lambda: status("a") == "finished")
        await until(lambda: not workers())

    run_worker(script, grace=20)
    assert (waiting(), kinds("b")) == (["b"], ["pushed"])


def test_a_suspended_worker_takes_nothing_until_it_is_resumed() -> None:
    """A stock worker that waits in BLMOVE runs one more job."""
    beaten: list[int] = []

    async def script(_worker: OurWorker) -> None:
        await until(workers)
        suspend(client())
        assert is_suspended(client())
        push_async("a", "add_async")
        push_async("b", "add_async")
        await until(lambda: worker_named("w1").get_state() == "suspended")
        beaten.append(len(waiting()))
        resume(client())
        await until(lambda: status("a") == status("b") == "finished")

    run_worker(script)
    assert beaten == [2]


def test_a_suspension_may_end_by_itself() -> None:
    suspend(client(), ttl=1)
    push_async("a", "add_async")
    beside(lambda: wait_until(lambda: status("a") == "finished"))


def test_rq_s_cleaning_of_workers_leaves_live_ones() -> None:
    client().sadd("rq:workers", "rq:worker:ghost")
    client().sadd("rq:workers:default", "rq:worker:ghost")

    def clean() -> None:
        clean_worker_registry(queue())
        assert Worker.all_keys(connection=client()) == ["rq:worker:w1"]

    beside(clean)


@pytest.mark.integration
def test_a_worker_that_is_told_to_end_is_gone_from_rq_s_lists(fleet: Fleet) -> None:
    process = fleet.worker("--children", "1", "--queues", "default")
    assert worker_named("w1").pid == process.pid
    process.send_signal(signal.SIGTERM)
    assert process.wait(START) == 0
    assert workers() == []
