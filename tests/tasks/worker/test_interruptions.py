from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tasks.broker import jobs as broker_jobs
from tasks.broker import keys
from tasks.broker.attempts import Claimed
from tasks.broker.engine import Engine
from tasks.conf import NO_LEDGER
from tasks.errors import BrokerUnavailable
from tasks.worker import loop
from tasks.worker.loop import Worker
from tests.engine import (
    claim,
    client,
    end_leases,
    events,
    kinds,
    push_job,
    status,
    waiting,
)
from tests.tasks.worker.running import run_until, run_worker, until


def push_async(job_id: str, name: str = "add_async", **fields: Any) -> str:
    path = f"tests.sample.{name}"
    fields.setdefault("kwargs", {"a": 1})
    return push_job(job_id, task=path, path=path, kind="async", **fields)


def ended(*job_ids: str) -> Any:
    states = ("finished", "failed", "stopped")
    return lambda: all(status(job_id) in states for job_id in job_ids)


def last(job_id: str) -> Any:
    return [event for event in events() if event["id"] == job_id][-1]


def test_stop_ends_a_coroutine(tmp_path: Path) -> None:
    push_async(
        "a", "wait_for_async", kwargs={"path": str(tmp_path / "never")}, retries=3
    )

    async def script(worker: Worker) -> None:
        await until(lambda: worker.crew.running)
        await until(lambda: broker_jobs.request_stop("a"))
        await until(ended("a"))

    run_worker(script)
    assert (last("a")["state"], last("a")["error"]) == ("stopped", "Stopped")


def test_a_stop_that_comes_before_its_job_is_kept(tmp_path: Path) -> None:
    async def script(worker: Worker) -> None:
        worker.crew.stop("a")
        kwargs = {"path": str(tmp_path / "never")}
        push_async("a", "wait_for_async", kwargs=kwargs)
        await until(ended("a"))

    run_worker(script)
    assert last("a")["state"] == "stopped"


def test_a_stop_that_comes_before_the_first_step_ends_the_job(tmp_path: Path) -> None:
    async def script(worker: Worker) -> None:
        begin = worker.crew.begin

        def stop_at_once(job: Claimed) -> None:
            begin(job)
            worker.crew.stop(job.id)

        worker.crew.begin = stop_at_once  # type: ignore[method-assign]
        kwargs = {"path": str(tmp_path / "never")}
        push_async("a", "wait_for_async", kwargs=kwargs)
        await until(ended("a"))

    run_worker(script)
    assert last("a")["state"] == "stopped"


def test_stop_ends_a_child_and_its_successor_serves(tmp_path: Path) -> None:
    path = "tests.sample.wait_for"
    push_job("a", task=path, path=path, kwargs={"path": str(tmp_path / "never")})

    async def script(worker: Worker) -> None:
        await until(lambda: worker.pool.running, 20)
        await until(lambda: broker_jobs.request_stop("a"))
        await until(ended("a"))
        push_job("b")
        await until(ended("b"), 20)

    run_worker(script, children=1)
    assert (status("a"), status("b")) == ("stopped", "finished")


def test_a_command_that_is_none_is_passed_over() -> None:
    async def script(worker: Worker) -> None:
        channel = keys.worker_commands("w1")
        await until(lambda: client().publish(channel, "nonsense"))
        client().publish(channel, json.dumps({"command": "stop-job"}))
        client().publish(channel, json.dumps({"command": "dance", "job_id": "a"}))
        push_async("a")
        await until(ended("a"))

    run_worker(script)


def test_rq_s_shutdown_command_ends_the_worker() -> None:
    async def script(worker: Worker) -> None:
        shutdown = json.dumps({"command": "shutdown"})
        await until(lambda: client().publish(keys.worker_commands("w1"), shutdown))
        await until(worker._stopping.is_set)

    run_worker(script)
    assert client().scard(keys.WORKERS) == 0


def test_a_worker_that_ends_hands_its_jobs_back(tmp_path: Path) -> None:
    kwargs = {"path": str(tmp_path / "never")}
    push_async("a", "wait_for_async", kwargs=kwargs)
    path = "tests.sample.wait_for"
    push_job("s", task=path, path=path, kwargs=kwargs)

    async def script(worker: Worker) -> None:
        await until(lambda: worker.pool.running and len(worker.crew.running) == 2, 20)

    run_worker(script, children=1)
    assert sorted(waiting()) == ["a", "s"]
    assert kinds("a")[-1] == kinds("s")[-1] == "handedback"
    assert client().hget(keys.job("s"), "ty:attempts") == b"0"


def test_jobs_get_their_grace_to_end(tmp_path: Path) -> None:
    go = tmp_path / "go"
    push_async("a", "wait_for_async", kwargs={"path": str(go)})

    async def script(worker: Worker) -> None:
        await until(lambda: worker.crew.running)
        asyncio.get_running_loop().call_later(0.05, go.touch)

    run_worker(script, grace=10)
    assert status("a") == "finished"


def test_a_second_signal_ends_the_grace(tmp_path: Path) -> None:
    push_async("a", "wait_for_async", kwargs={"path": str(tmp_path / "never")})

    async def script(worker: Worker) -> None:
        await until(lambda: worker.crew.running)
        worker.stop()

    run_worker(script, grace=60)
    assert status("a") == "queued"


def test_a_job_whose_lease_was_lost_is_ended_here(tmp_path: Path) -> None:
    push_async("a", "wait_for_async", kwargs={"path": str(tmp_path / "never")})

    async def script(worker: Worker) -> None:
        await until(lambda: worker.crew.running)
        client().delete(keys.lease("default"))
        client().hset(keys.job("a"), "ty:exec", "another")
        await worker.heart.beat()
        await until(lambda: not worker.crew.running)

    run_worker(script)
    assert kinds("a")[-1] == "superseded"


def test_each_beat_renews_lease_and_entry(tmp_path: Path) -> None:
    push_async("a", "wait_for_async", kwargs={"path": str(tmp_path / "never")})

    async def script(worker: Worker) -> None:
        await until(lambda: worker.crew.running)
        end_leases()
        client().delete(keys.worker("w1"), keys.WORKERS)
        await worker.heart.beat()
        await worker.heart.beat_for_rq()
        assert (
            client().zrange(keys.lease("default"), 0, -1, withscores=True)[0][1] > 1e9
        )
        fields = client().hgetall(keys.worker("w1"))
        assert (fields[b"state"], fields[b"current_job"]) == (b"busy", b"a")
        assert fields[b"ty:running"] == b"1"
        assert client().smembers(keys.WORKERS) == {b"rq:worker:w1"}

    run_worker(script)


def test_an_idle_worker_says_so() -> None:
    push_async("a")

    async def script(_worker: Worker) -> None:
        await until(ended("a"))
        await until(lambda: client().hget(keys.worker("w1"), "state") == b"idle")

    run_worker(script)
    assert client().exists(keys.worker("w1"))
    assert client().hexists(keys.worker("w1"), "death")


def test_a_suspended_worker_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "PAUSE", 0.01)
    client().set(keys.SUSPENDED, 1)
    push_async("a")
    asked: list[bool] = []
    claim_as_before = Engine.claim

    async def counted(self: Engine, *args: Any) -> Any:
        answer = await claim_as_before(self, *args)
        asked.append(answer.suspended)
        return answer

    monkeypatch.setattr(Engine, "claim", counted)

    async def script(_worker: Worker) -> None:
        await until(lambda: len(asked) > 3)
        assert waiting() == ["a"]
        client().delete(keys.SUSPENDED)
        await until(ended("a"))

    run_worker(script)


def test_an_outage_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "PAUSE", 0.01)
    claim_as_before, failures = Engine.claim, [1, 1, 1]

    async def unsteady(self: Engine, *args: Any) -> Any:
        if failures:
            failures.pop()
            raise BrokerUnavailable("gone")
        return await claim_as_before(self, *args)

    monkeypatch.setattr(Engine, "claim", unsteady)
    push_async("a")
    run_until(ended("a"))
    assert failures == []


def test_children_of_a_large_family_are_all_released() -> None:
    push_async("parent")
    ids = [push_async(f"c{n}", depends_on=["parent"]) for n in range(120)]
    run_until(ended(*ids))


def test_a_task_submits_tasks_without_the_ledger(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(NO_LEDGER, "1")
    push_async("a", "submit_async", kwargs={"number": 5})
    run_until(lambda: len([e for e in events() if e["kind"] == "finished"]) == 2)
    results = [event["result"] for event in events() if event["kind"] == "finished"]
    assert sorted(results) == ["7", "null"]
    assert not connection.in_atomic_block


def test_a_late_worker_changes_nothing(tmp_path: Path) -> None:
    """The lease ends while the loop is held up; another worker has the job by then."""
    go = tmp_path / "go"
    push_async("a", "wait_for_async", kwargs={"path": str(go)})

    async def script(worker: Worker) -> None:
        await until(lambda: worker.crew.running)
        from tests.engine import take_back

        end_leases()
        take_back("default")
        await asyncio.to_thread(claim, worker="w2")
        go.touch()
        await until(lambda: kinds("a")[-1] == "superseded")

    run_worker(script, concurrency=1)
    assert client().hget(keys.job("a"), "worker_name") == b"w2"
    assert status("a") == "started"
