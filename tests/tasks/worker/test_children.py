from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tasks.worker import children
from tasks.worker.calls import Outcome
from tasks.worker.children import Child, ChildPool
from tests.tasks.worker.running import until

Heard = list[tuple[str, dict[str, Any]]]


def request(task: str, timeout: float | None = 30, **kwargs: Any) -> dict[str, Any]:
    return {
        "id": "a",
        "task": f"tests.sample.{task}",
        "path": f"tests.sample.{task}",
        "queue": "default",
        "attempt": 1,
        "args": [],
        "kwargs": kwargs,
        "timeout": timeout,
        "deadline": None,
        "on_success": "",
        "on_failure": "",
    }


def with_pool(script: Callable[[ChildPool], Awaitable[Any]], size: int = 1) -> Any:
    async def main() -> Any:
        pool = ChildPool(size, changed=lambda: None)
        pool.warm_up()
        try:
            async with asyncio.timeout(30):
                await until(lambda: pool.free, 20)
                return await script(pool)
        finally:
            await pool.close()

    return asyncio.run(main())


def run(*requests: dict[str, Any], heard: Heard | None = None) -> list[Outcome]:
    """Run jobs one after the other in one child."""

    async def script(pool: ChildPool) -> list[Outcome]:
        said: Heard = [] if heard is None else heard
        outcomes = []
        for asked in requests:
            await until(lambda: pool.free, 20)
            child = pool.take()
            outcomes.append(await child.run(asked, lambda *word: said.append(word)))
            await pool.give_back(child)
        return outcomes

    return with_pool(script)  # type: ignore[no-any-return]


def test_a_child_runs_one_job_after_the_other() -> None:
    heard: Heard = []
    first, second, third, fourth = run(
        request("add", a="1"),
        request("fail"),
        request("greet", name="Ann"),
        request("leave", timeout=None),
        heard=heard,
    )
    assert (first.verb, first.result) == ("finish", "3")
    assert (second.verb, second.error, second.message) == (
        "fail",
        "ValueError",
        "no luck",
    )
    assert "in fail" in second.traceback
    assert "tasks/worker" not in second.traceback
    assert ("log", "greeting Ann") in [(kind, said.get("line")) for kind, said in heard]
    assert third.result == '"hello Ann"'
    assert (fourth.verb, fourth.error) == ("fail", "SystemExit")


def test_a_child_that_dies_is_the_failure_of_its_own_job() -> None:
    crashed, after = run(request("crash"), request("add", a=1))
    assert (crashed.verb, crashed.error) == ("fail", "ProcessDied")
    assert crashed.message == "the child process was ended by signal 9 (SIGKILL)"
    assert after.result == "3"


def test_an_exit_code_is_told() -> None:
    (outcome,) = run(request("exit_hard"))
    expected = "the child process ended with exit code 3 and without an answer"
    assert outcome.message == expected


def test_a_job_that_is_too_slow_is_ended() -> None:
    (outcome,) = run(request("sleep_long", timeout=0.05))
    assert (outcome.error, outcome.verb) == ("JobTimedOut", "fail")
    assert outcome.message == "the task ran longer than its timeout of 0.05 s"


def test_a_job_that_will_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "LAST_WORDS", 0.05)
    stubborn, after = run(request("stubborn", timeout=0.05), request("add", a=1))
    assert stubborn.error == "JobTimedOut"
    assert after.result == "3"


def test_what_a_stopped_job_started_dies_with_it(tmp_path: Any) -> None:
    pid_file = tmp_path / "pid"

    async def script(pool: ChildPool) -> tuple[Outcome, Child]:
        child = pool.take()
        asked = request("start_process", path=str(pid_file))
        running = asyncio.ensure_future(child.run(asked, lambda *_word: None))
        await until(lambda: pid_file.exists() and pid_file.read_text())
        child.stopping = True
        child.kill()
        outcome = await running
        await pool.give_back(child)
        await until(lambda: not is_running(int(pid_file.read_text())))
        return outcome, child

    outcome, child = with_pool(script)
    assert outcome.verb == "stop"
    assert not is_running(child.process.pid)


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_next_child_is_started_before_it_is_needed() -> None:
    async def script(pool: ChildPool) -> tuple[int, int]:
        pool.take()
        await until(lambda: pool.free, 20)
        return pool.free, pool.running

    assert with_pool(script, size=2) == (1, 1)


def test_a_child_that_grew_too_large_is_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(children, "MEMORY_LIMIT", 1)

    async def script(pool: ChildPool) -> tuple[int, int]:
        child = pool.take()
        await child.run(request("add", a=1), lambda *_word: None)
        await pool.give_back(child)
        await until(lambda: pool.free, 20)
        return child.process.pid, pool.take().process.pid

    before, after = with_pool(script)
    assert before != after


def test_a_child_that_cannot_start_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(children, "RESTART_PAUSE", 0.01)
    spawn, tries = children._spawn, []

    async def fail_first() -> Child | None:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("no memory")
        return await spawn() if len(tries) > 2 else None

    monkeypatch.setattr(children, "_spawn", fail_first)

    async def script(pool: ChildPool) -> None:
        """Wait for the child, which `with_pool` has done."""

    with_pool(script)
    assert len(tries) == 3
    assert "a child process could not be started: no memory" in caplog.text


def test_closing_ends_every_child() -> None:
    async def script(pool: ChildPool) -> int:
        return pool.take().process.pid

    assert not is_running(with_pool(script))


def test_a_child_ignores_the_ctrl_c_of_its_terminal() -> None:
    async def script(pool: ChildPool) -> Outcome:
        child = pool.take()
        os.kill(child.process.pid, signal.SIGINT)
        return await child.run(request("add", a=1), lambda *_word: None)

    assert with_pool(script).result == "3"
