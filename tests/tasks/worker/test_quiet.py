from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tasks.broker import keys
from tasks.worker.loop import Worker
from tests.engine import client, push_job, status, waiting
from tests.tasks.worker.running import run_worker, until


def push_async(job_id: str, name: str = "add_async", **kwargs: object) -> str:
    path = f"tests.sample.{name}"
    return push_job(
        job_id, task=path, path=path, kind="async", kwargs=kwargs or {"a": 1}
    )


def quiet_since() -> bytes | None:
    return client().hget(keys.worker("w1"), "ty:quiet")


def send(command: str, **fields: str) -> int:
    said = json.dumps({"command": command, **fields})
    return int(client().publish(keys.CONTROL, said))


async def is_listening(worker: Worker) -> None:
    await until(lambda: client().exists(keys.worker(worker.name)))
    await until(lambda: client().pubsub_numsub(keys.CONTROL)[0][1])


def test_a_quiet_worker_finishes_what_runs_and_takes_no_more(tmp_path: Path) -> None:
    go = tmp_path / "go"
    push_async("a", "wait_for_async", path=str(go))

    async def script(worker: Worker) -> None:
        await until(lambda: worker.crew.running)
        worker.quiet()
        await until(quiet_since)  # a claim may be on its way till then
        push_async("b")
        go.touch()
        await until(lambda: status("a") == "finished")
        await worker.heart.beat()
        assert waiting() == ["b"]
        assert client().sismember(keys.WORKERS, keys.worker("w1"))

    run_worker(script)


def test_a_worker_says_since_when_it_is_quiet_until_it_wakes() -> None:
    async def script(worker: Worker) -> None:
        await until(lambda: client().exists(keys.worker("w1")))
        before = int(time.time())
        worker.quiet()
        await until(quiet_since)
        since = quiet_since()
        worker.quiet()
        await worker.heart.beat()
        assert since == quiet_since()
        assert before <= int(since or 0) <= time.time()
        worker.wake()
        await until(lambda: quiet_since() is None)

    run_worker(script)


def test_a_worker_that_wakes_takes_what_came_meanwhile() -> None:
    async def script(worker: Worker) -> None:
        worker.quiet()
        await until(quiet_since)
        push_async("a")
        worker.wake()
        await until(lambda: status("a") == "finished")

    run_worker(script)


@pytest.mark.parametrize("name", [{}, {"worker": "w1"}], ids=["all", "by name"])
def test_operators_quiet_and_wake_it(name: dict[str, str]) -> None:
    async def script(worker: Worker) -> None:
        await is_listening(worker)
        send("quiet", **name)
        await until(quiet_since)
        send("wake", **name)
        await until(lambda: quiet_since() is None)

    run_worker(script)


def test_what_is_said_to_another_worker_changes_nothing() -> None:
    async def script(worker: Worker) -> None:
        await is_listening(worker)
        send("quiet", worker="w2")
        send("shutdown", worker="w2")
        push_async("a")
        await until(lambda: status("a") == "finished")
        await worker.heart.beat()
        assert quiet_since() is None

    run_worker(script)


def test_a_worker_that_is_told_to_end_is_quiet_meanwhile_and_does_not_wake(
    tmp_path: Path,
) -> None:
    go = tmp_path / "go"
    push_async("a", "wait_for_async", path=str(go))

    async def script(worker: Worker) -> None:
        await until(lambda: worker.crew.running)
        worker.stop()
        await until(quiet_since)
        worker.wake()
        push_async("b")
        await worker.heart.beat()
        assert quiet_since()
        go.touch()
        await until(lambda: status("a") == "finished")

    run_worker(script, grace=30)
    assert waiting() == ["b"]
