from __future__ import annotations

import asyncio
import pickle
import zlib
from pathlib import Path
from typing import Any

import pytest

from tasks.broker import keys
from tasks.worker.loop import Worker
from tests.engine import (
    claim,
    client,
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


def test_a_coroutine_runs_on_the_loop() -> None:
    push_async("a", kwargs={"a": "40"})
    run_until(ended("a"))
    assert last("a")["result"] == "42"


def test_a_function_runs_in_a_child() -> None:
    push_job("a", task="greet", path="tests.sample.greet", kwargs={"name": "Ann"})
    run_until(ended("a"), children=1)
    event = last("a")
    assert (event["state"], event["result"], event["logged"]) == (
        "finished",
        '"hello Ann"',
        "1",
    )


def test_many_coroutines_run_at_once(tmp_path: Path) -> None:
    go = tmp_path / "go"
    ids = [
        push_async(f"j{n}", "wait_for_async", kwargs={"path": str(go)})
        for n in range(50)
    ]

    async def script(worker: Worker) -> None:
        await until(lambda: len(worker.crew.running) == 50)
        go.touch()
        await until(ended(*ids))

    run_worker(script)


def test_no_more_run_than_the_concurrency_allows(tmp_path: Path) -> None:
    go = tmp_path / "go"
    ids = [
        push_async(f"j{n}", "wait_for_async", kwargs={"path": str(go)})
        for n in range(5)
    ]
    most: list[int] = []

    async def script(worker: Worker) -> None:
        await until(lambda: len(worker.crew.running) == 2)
        most.append(len(waiting()))
        go.touch()
        await until(ended(*ids))

    run_worker(script, concurrency=2)
    assert most == [3]


def test_a_sync_job_waits_for_a_child_and_coroutines_pass_in_other_queues() -> None:
    push_job("sync")
    push_async("async", queue="other")
    run_until(ended("async"), "default", "other")
    assert (status("sync"), waiting()) == ("queued", ["sync"])


def test_a_coroutine_starts_when_another_worker_took_the_job_before_it() -> None:
    push_job("sync")
    push_async("async")

    async def script(worker: Worker) -> None:
        await until(lambda: worker._wanted)
        await asyncio.to_thread(claim, worker="w2")
        await until(ended("async"))

    run_worker(script)


def test_earlier_queues_are_served_first() -> None:
    for job_id, queue in (("l1", "low"), ("h1", "high"), ("l2", "low"), ("h2", "high")):
        push_async(job_id, queue=queue)
    run_until(ended("l1", "l2", "h1", "h2"), "high", "low", concurrency=1)
    started = [event["id"] for event in events() if event["kind"] == "started"]
    assert started == ["h1", "h2", "l1", "l2"]


def test_a_job_that_comes_while_it_waits_starts_at_once() -> None:
    async def script(worker: Worker) -> None:
        await until(lambda: client().exists(keys.worker("w1")))
        push_async("a")
        await until(ended("a"), timeout=2)

    run_worker(script)


def test_a_failure_is_retried_as_often_as_it_may(tmp_path: Path) -> None:
    fields = {"retries": 2, "backoff": 0, "kwargs": {"path": str(tmp_path / "no")}}
    push_job("a", task="tests.sample.flaky", path="tests.sample.flaky", **fields)
    run_until(ended("a"), children=1)
    assert kinds("a") == ["pushed", *["started", "retrying"] * 2, "started", "failed"]
    assert last("a")["error"] == "FileNotFoundError"


def test_wrong_arguments_fail_once_whatever_the_retries() -> None:
    push_async("a", kwargs={"a": "x"}, retries=5)
    run_until(ended("a"))
    assert kinds("a") == ["pushed", "started", "failed"]
    assert last("a")["error"] == "InvalidArguments"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", "PayloadUnreadable"),
        (b"\xff garbage", "PayloadUnreadable"),
        (zlib.compress(pickle.dumps(("m.f", None, (), {}))), "PayloadPickled"),
        (b'["os.getpid", null, [], {}]', "FunctionNotRegistered"),
        (b'["tests.sample.add_async", null, [], {}]', "InvalidArguments"),
    ],
    ids=["empty", "garbage", "pickled", "unregistered", "no arguments"],
)
def test_a_stock_job_that_cannot_run_fails_once_and_the_next_one_runs(
    data: bytes, error: str
) -> None:
    fields: dict[str, Any] = {"data": data, "origin": "default", "status": "queued"}
    fields |= {"timeout": "x", "retries_left": "3", "ty:kind": "async"}
    client().hset(keys.job("bad"), mapping=fields)
    client().rpush(keys.queue("default"), "bad")
    push_async("good")
    run_until(ended("bad", "good"))
    assert kinds("bad") == ["started", "failed"]
    assert (last("bad")["error"], status("good")) == (error, "finished")


def test_a_plain_function_of_an_admitted_module_runs() -> None:
    data = b'["tests.plain.multiply", null, [3], {"b": 4}]'
    fields: dict[str, Any] = {"data": data, "origin": "default", "status": "queued"}
    client().hset(keys.job("a"), mapping=fields)
    client().rpush(keys.queue("default"), "a")
    run_until(ended("a"), children=1)
    assert last("a")["result"] == "12"


@pytest.mark.parametrize("name", ["exit_async", "interrupt_async"])
def test_a_coroutine_cannot_end_the_worker(name: str) -> None:
    push_async("bad", name, kwargs={})
    push_async("good")
    run_until(ended("bad", "good"))
    assert (status("bad"), status("good")) == ("failed", "finished")


def test_a_coroutine_that_is_too_slow_is_ended(tmp_path: Path) -> None:
    kwargs = {"path": str(tmp_path / "never")}
    push_async("a", "wait_for_async", kwargs=kwargs, timeout=1)
    client().hset(keys.job("a"), "timeout", "0.05")
    run_until(ended("a"))
    assert last("a")["error"] == "JobTimedOut"


def test_a_timeout_of_the_task_s_own_is_an_ordinary_error() -> None:
    push_async("a", "time_out_async", kwargs={})
    run_until(ended("a"))
    assert last("a")["error"] == "TimeoutError"
