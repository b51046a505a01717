"""Suspects, run by a worker in this process, each under a keeper of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tasks.broker import jobs as broker_jobs
from tasks.broker import keys
from tasks.worker import solo
from tasks.worker.child_process import Errand
from tasks.worker.loop import Worker
from tests.conftest import wait_until
from tests.engine import client, events, kinds, push_job, status, waiting
from tests.integration.conftest import START, children_of, is_running
from tests.tasks.worker.running import run_until, run_worker, until

ENDS = ("finished", "failed", "stopped")


def push_suspect(name: str, *, module: str = "sample", **fields: Any) -> None:
    """Push job `a`, of which two workers have died."""
    path = f"tests.{module}.{name}"
    push_job("a", task=path, path=path, **fields)
    now = client().time()[0]
    client().hset(keys.job("a"), "ty:deaths", f"{now - 60},{now - 30}")


def has_ended() -> bool:
    return status("a") in ENDS


def run_suspect(name: str, **fields: Any) -> Any:
    """Run a suspect to its end, and return its last event."""
    push_suspect(name, **fields)

    async def script(_worker: Worker) -> None:
        await until(has_ended, START)

    run_worker(script, children=2)
    return [event for event in events() if event["id"] == "a"][-1]


def test_a_suspect_runs_in_a_process_of_its_own_and_ends_as_others_do() -> None:
    event = run_suspect("own_parents", kwargs={})
    child, keeper, worker = event["result"].strip("[]").split(", ")
    assert event["state"] == "finished"
    assert (int(worker), len({child, keeper, worker})) == (os.getpid(), 3)
    wait_until(lambda: not (is_running(int(child)) or is_running(int(keeper))))


def test_a_coroutine_that_is_a_suspect_runs_there_too() -> None:
    event = run_suspect("own_pid_async", kwargs={}, kind="async")
    assert event["state"] == "finished"
    assert int(event["result"]) != os.getpid()


def test_its_errors_are_failures_and_are_retried() -> None:
    event = run_suspect("fail", kwargs={}, retries=1, backoff=0)
    assert (event["state"], event["error"]) == ("failed", "ValueError")
    assert kinds("a") == ["pushed", "started", "retrying", "started", "failed"]


@pytest.mark.parametrize("name", ["crash", "kill_parent", "exit_hard"])
def test_whatever_it_kills_is_its_third_death(name: str) -> None:
    """Its own process, its parent: the worker, which runs in this one, lives on."""
    event = run_suspect(name, kwargs={}, retries=3)
    assert (event["kind"], event["state"]) == ("quarantined", "quarantined")
    assert event["error"] == "ProcessDied"
    assert kinds("a") == ["pushed", "started", "quarantined"]


def test_a_coroutine_that_kills_its_process_kills_no_worker() -> None:
    event = run_suspect("kill_self_async", kwargs={}, kind="async")
    assert event["state"] == "quarantined"


def test_its_child_dies_with_its_keeper(tmp_path: Path) -> None:
    push_suspect("wait_for", kwargs={"path": str(tmp_path / "never")})

    async def script(worker: Worker) -> None:
        await until(lambda: client().hget(keys.job("a"), "ty:progress"), START)
        [run] = worker.crew.running.values()
        assert run.errand
        assert run.errand.child
        keeper = run.errand.child.process.pid
        [child] = children_of(keeper)
        os.kill(keeper, 9)
        await until(has_ended, START)
        await until(lambda: not is_running(child), START)

    run_worker(script, children=1)
    assert events()[-1]["state"] == "quarantined"


def test_a_suspect_that_is_stopped_is_stopped(tmp_path: Path) -> None:
    push_suspect("wait_for", kwargs={"path": str(tmp_path / "never")})

    async def script(worker: Worker) -> None:
        await until(lambda: client().hget(keys.job("a"), "ty:progress"), START)
        assert broker_jobs.request_stop("a")
        await until(has_ended, START)

    run_worker(script, children=1)
    assert (status("a"), kinds("a")[-1]) == ("stopped", "stopped")


def test_a_suspect_that_is_stopped_before_it_begins_is_stopped(tmp_path: Path) -> None:
    push_suspect("wait_for", kwargs={"path": str(tmp_path / "never")})

    async def script(worker: Worker) -> None:
        await until(lambda: worker.crew.running)
        worker.crew.stop("a")
        await until(has_ended, START)

    run_worker(script, children=1)
    assert status("a") == "stopped"


def test_a_suspect_that_ignores_its_timeout_fails_as_others_do() -> None:
    event = run_suspect("stubborn", kwargs={}, timeout=1)
    assert (event["state"], event["error"]) == ("failed", "JobTimedOut")


def test_a_worker_that_ends_hands_a_suspect_back(tmp_path: Path) -> None:
    push_suspect("wait_for", kwargs={"path": str(tmp_path / "never")})

    async def script(_worker: Worker) -> None:
        await until(lambda: client().hget(keys.job("a"), "ty:progress"), START)

    run_worker(script, children=1)
    assert (kinds("a")[-1], waiting()) == ("handedback", ["a"])
    told = client().hget(keys.job("a"), "ty:deaths") or b""
    assert told.count(b",") == 1


def test_a_suspect_for_which_no_process_starts_goes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(solo, "KEEPER", "tests.no_such_module")
    monkeypatch.setattr(solo, "RESTART_PAUSE", 0)
    push_suspect("add")
    run_until(lambda: "handedback" in kinds("a"), children=1)
    assert status("a") == "queued"


def test_suspects_take_slots_of_the_children(tmp_path: Path) -> None:
    push_suspect("wait_for", kwargs={"path": str(tmp_path / "go")})

    async def script(worker: Worker) -> None:
        await until(lambda: len(worker.crew.solos))
        assert worker.crew.free("sync") == 0
        (tmp_path / "go").touch()
        await until(lambda: not len(worker.crew.solos), START)
        await until(lambda: worker.crew.free("sync"))

    run_worker(script, children=1)
    assert status("a") == "finished"


def test_no_other_lost_job_is_taken_while_a_suspect_runs_alone(tmp_path: Path) -> None:
    go = tmp_path / "go"
    push_suspect("wait_for", kwargs={"path": str(go)})
    push_job("b")
    client().hset(keys.job("b"), "ty:deaths", client().time()[0] - 30)
    push_job("c", queue="mail")

    async def script(_worker: Worker) -> None:
        await until(lambda: client().hget(keys.job("a"), "ty:progress"), START)
        await until(lambda: status("c") == "finished")
        assert status("b") == "queued"
        go.touch()
        await until(lambda: status("b") == "finished")

    run_worker(script, "default", "mail", children=2)


def test_an_errand_that_has_ended_is_not_ended_again(tmp_path: Path) -> None:
    told: list[str] = []

    async def script(worker: Worker) -> None:
        solos = worker.crew.solos

        def hear(outcome: Any, _started: float | None) -> None:
            told.append(outcome.verb)
            solos.end(errand)

        request = {
            "id": "a",
            "task": "a",
            "queue": "default",
            "attempt": 1,
            "timeout": 5,
        }
        errand = Errand(request, b"", None, hear, lambda _kind, _fields: None)
        solos.run(errand)
        await until(lambda: told and not len(solos), START)

    run_worker(script, children=1)
    assert len(told) == 1
