from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tasks.broker import jobs as broker_jobs
from tasks.broker import keys
from tests.conftest import wait_until
from tests.engine import client, events, kinds, push_job, status, take_back, waiting
from tests.integration.conftest import START, Fleet, children_of, is_running

pytestmark = pytest.mark.integration

WAIT_FOR, WAIT_FOR_ASYNC = "tests.sample.wait_for", "tests.sample.wait_for_async"


def push_waiter(job_id: str, path: Path, task: str = WAIT_FOR, **fields: Any) -> str:
    """Push a job that runs until `path` exists."""
    kind = "async" if task == WAIT_FOR_ASYNC else "sync"
    kwargs = {"path": str(path)}
    return push_job(job_id, task=task, path=task, kind=kind, kwargs=kwargs, **fields)


def push_crash(job_id: str, **fields: Any) -> str:
    path = "tests.sample.crash_once"
    return push_job(job_id, task=path, path=path, **fields)


def is_at(job_id: str, state: str) -> bool:
    return status(job_id) == state


def last(job_id: str) -> Any:
    return [event for event in events() if event["id"] == job_id][-1]


def test_a_killed_child_fails_only_its_own_job(fleet: Fleet, folder: Path) -> None:
    go = folder / "go"
    worker = fleet.worker("--children", "2")
    push_waiter("other", go)
    wait_until(lambda: is_at("other", "started"), START)
    push_job("crash", task="tests.sample.crash", path="tests.sample.crash", kwargs={})
    wait_until(lambda: is_at("crash", "failed"), START)
    assert last("crash")["error"] == "ProcessDied"
    assert "signal 9" in last("crash")["message"]
    assert is_at("other", "started")
    go.touch()
    wait_until(lambda: is_at("other", "finished"))
    assert worker.poll() is None


def test_a_killed_child_s_job_is_retried_where_the_task_says_so(
    fleet: Fleet, folder: Path
) -> None:
    fleet.worker("--children", "1")
    push_crash("a", kwargs={"path": str(folder / "seen")}, retries=1, backoff=0)
    wait_until(lambda: is_at("a", "finished"), START)
    assert kinds("a") == ["pushed", "started", "retrying", "started", "finished"]


def test_a_killed_worker_s_job_runs_again_elsewhere(fleet: Fleet, folder: Path) -> None:
    """Its children die with it, and its lease ends after 15 s by Redis' clock."""
    go = folder / "go"
    doomed = fleet.worker("--children", "1")
    push_waiter("a", go)
    wait_until(lambda: is_at("a", "started"), START)
    children = wait_until(lambda: children_of(doomed.pid))
    fleet.worker("--children", "1", name="w2")
    doomed.kill()
    wait_until(lambda: not any(is_running(pid) for pid in children))
    assert take_back("default") == []
    wait_until(lambda: take_back("default") == ["a"], 20)
    wait_until(lambda: client().hget(keys.job("a"), "worker_name") == b"w2", START)
    go.touch()
    wait_until(lambda: is_at("a", "finished"))
    assert kinds("a") == ["pushed", "started", "lost", "started", "finished"]


def test_a_worker_that_is_told_to_end_hands_its_jobs_back(
    fleet: Fleet, folder: Path
) -> None:
    worker = fleet.worker("--children", "1", "--grace", "0.2")
    push_waiter("sync", folder / "never")
    push_waiter("async", folder / "never", WAIT_FOR_ASYNC)
    wait_until(lambda: is_at("sync", "started") and is_at("async", "started"), START)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(START) == 0
    assert sorted(waiting()) == ["async", "sync"]
    assert kinds("sync")[-1] == kinds("async")[-1] == "handedback"
    assert client().hget(keys.job("sync"), "ty:attempts") == b"0"
    assert client().scard(keys.WORKERS) == 0


def test_a_worker_that_is_told_to_end_lets_its_jobs_end(
    fleet: Fleet, folder: Path
) -> None:
    go = folder / "go"
    worker = fleet.worker("--children", "1", "--grace", "300")
    push_waiter("a", go)
    wait_until(lambda: is_at("a", "started"), START)
    worker.send_signal(signal.SIGTERM)
    go.touch()
    assert worker.wait(START) == 0
    assert is_at("a", "finished")


def test_stop_ends_a_function_and_a_coroutine(fleet: Fleet, folder: Path) -> None:
    worker = fleet.worker("--children", "1")
    push_waiter("sync", folder / "never", retries=3)
    push_waiter("async", folder / "never", WAIT_FOR_ASYNC, retries=3)
    wait_until(lambda: is_at("sync", "started") and is_at("async", "started"), START)
    for job_id in ("sync", "async"):
        assert broker_jobs.request_stop(job_id)
    wait_until(lambda: is_at("sync", "stopped") and is_at("async", "stopped"))
    push_job("next")
    wait_until(lambda: is_at("next", "finished"), START)
    assert worker.poll() is None


def test_ctrl_c_reaches_the_whole_group_and_the_worker_decides(
    fleet: Fleet, folder: Path
) -> None:
    go = folder / "go"
    worker = fleet.worker("--children", "1", "--grace", "300")
    push_waiter("a", go)
    wait_until(lambda: is_at("a", "started"), START)
    for pid in (*children_of(worker.pid), worker.pid):
        os.kill(pid, signal.SIGINT)
    go.touch()
    assert worker.wait(START) == 0
    assert is_at("a", "finished")
