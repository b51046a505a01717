from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tasks.broker.wire import pack_call
from tasks.worker import child_process, children
from tasks.worker.calls import Outcome
from tasks.worker.child_process import ChildProcess, Errand
from tasks.worker.children import ChildPool
from tests.tasks.worker.running import until


class Ordered(Errand):
    """An errand with a memory."""

    outcome: Outcome | None = None

    def __init__(
        self,
        task: str,
        timeout: float | None = 30,
        module: str = "tests.sample",
        **kwargs: Any,
    ) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        path = f"{module}.{task}"
        request = {"id": "a", "task": path, "queue": "default", "attempt": 1}
        super().__init__(
            {**request, "timeout": timeout},
            pack_call(path, [], kwargs),
            timeout,
            self.note_end,
            lambda kind, fields: self.heard.append((kind, fields)),
        )

    def note_end(self, outcome: Outcome, started: float | None) -> None:
        self.outcome = outcome


def with_pool(
    script: Callable[[ChildPool], Awaitable[Any]], size: int = 1, **options: Any
) -> Any:
    async def main() -> Any:
        pool = ChildPool(size, changed=lambda: None, **options)
        pool.warm_up()
        try:
            async with asyncio.timeout(30):
                await until(lambda: pool.free, 20)
                return await script(pool)
        finally:
            await pool.close()

    return asyncio.run(main())


def run(*errands: Ordered) -> list[Outcome]:
    """Run jobs one after the other in one child."""

    async def script(pool: ChildPool) -> None:
        for errand in errands:
            pool.run(errand)
            await until(lambda errand=errand: errand.outcome, 20)

    with_pool(script)
    return [errand.outcome for errand in errands if errand.outcome]


def test_a_child_runs_one_job_after_the_other() -> None:
    greeting = Ordered("greet", name="Ann")
    leaving = Ordered("leave", timeout=None)
    first, second, third, fourth = run(
        Ordered("add", a="1"), Ordered("fail"), greeting, leaving
    )
    assert (first.verb, first.result) == ("finish", "3")
    assert (second.verb, second.error, second.message) == (
        "fail",
        "ValueError",
        "no luck",
    )
    assert "in fail" in second.traceback
    assert "tasks/worker" not in second.traceback
    assert ("log", "greeting Ann") in [(k, s.get("line")) for k, s in greeting.heard]
    assert third.result == '"hello Ann"'
    assert (fourth.verb, fourth.error) == ("fail", "SystemExit")


def test_a_child_that_dies_is_the_failure_of_its_own_job() -> None:
    crashed, after = run(Ordered("crash"), Ordered("add", a=1))
    assert (crashed.verb, crashed.error) == ("fail", "ProcessDied")
    assert crashed.message == "the child process was ended by signal 9 (SIGKILL)"
    assert after.result == "3"


def test_an_exit_code_is_told() -> None:
    (outcome,) = run(Ordered("exit_hard"))
    expected = "the child process ended with exit code 3 and without an answer"
    assert outcome.message == expected


def test_a_job_that_is_too_slow_is_ended() -> None:
    (outcome,) = run(Ordered("sleep_long", timeout=0.05))
    assert (outcome.error, outcome.verb) == ("JobTimedOut", "fail")
    assert outcome.message == "the task ran longer than its timeout of 0.05 s"


def test_a_job_that_will_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_process, "LAST_WORDS", 0.05)
    monkeypatch.setattr(children, "WATCH_EVERY", 0.05)
    stubborn, after = run(Ordered("stubborn", timeout=0.05), Ordered("add", a=1))
    assert stubborn.error == "JobTimedOut"
    assert after.result == "3"


def test_what_a_stopped_job_started_dies_with_it(tmp_path: Any) -> None:
    pid_file = tmp_path / "pid"
    errand = Ordered("start_process", path=str(pid_file))

    async def script(pool: ChildPool) -> ChildProcess:
        pool.run(errand)
        await until(lambda: pid_file.exists() and pid_file.read_text())
        child = errand.child
        assert child is not None
        errand.stopping = True
        pool.end(errand)
        await until(lambda: errand.outcome)
        await until(lambda: not is_running(int(pid_file.read_text())))
        return child

    child = with_pool(script)
    assert errand.outcome is not None
    assert errand.outcome.verb == "stop"
    assert not is_running(child.process.pid)


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_next_child_is_started_before_it_is_needed() -> None:
    async def script(pool: ChildPool) -> tuple[int, int]:
        pool.run(Ordered("sleep_long", timeout=None))
        await until(lambda: pool.running and pool.free, 20)
        return pool.free, pool.running

    assert with_pool(script, size=2) == (1, 1)


def test_a_child_of_short_jobs_is_sent_many_ahead() -> None:
    async def script(pool: ChildPool) -> None:
        await work_in(pool)
        assert pool.free > 10
        errands = [Ordered("add", a=number) for number in range(20)]
        for errand in errands:
            pool.run(errand)
        await until(lambda: all(errand.outcome for errand in errands))
        assert [e.outcome.result for e in errands if e.outcome] == [
            str(number + 2) for number in range(20)
        ]

    with_pool(script)


@pytest.fixture(autouse=True)
def busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short jobs count as short where other tests take the processor, too."""
    monkeypatch.setattr(children, "AHEAD", 1.0)
    monkeypatch.setattr(children, "PATIENCE", 20.0)


async def work_in(pool: ChildPool) -> None:
    """Have the pool learn that jobs are short."""
    while pool.free < 11:
        errand = Ordered("add", a=1)
        pool.run(errand)
        await until(lambda errand=errand: errand.outcome)


@pytest.mark.parametrize("end", ["crash", "sleep_long"])
def test_what_waits_behind_a_job_runs_whatever_becomes_of_it(end: str) -> None:
    first = Ordered(end, timeout=None)
    others = [Ordered("add", a=number) for number in range(5)]

    async def script(pool: ChildPool) -> None:
        await work_in(pool)
        for errand in (first, *others):
            pool.run(errand)
        await until(lambda: all(errand.outcome for errand in others), 20)

    with_pool(script, size=2)
    assert [e.outcome.result for e in others if e.outcome] == [
        str(number + 2) for number in range(5)
    ]


def test_a_job_that_has_not_begun_can_be_stopped() -> None:
    first, second, third = (
        Ordered("sleep_long", timeout=0.3),
        Ordered("add", a=1),
        Ordered("add", a=2),
    )

    async def script(pool: ChildPool) -> None:
        await work_in(pool)
        for errand in (first, second, third):
            pool.run(errand)
        await until(lambda: second.child is not None)
        second.stopping = True
        pool.end(second)
        assert second.outcome is not None
        await until(lambda: third.outcome)

    with_pool(script)
    assert second.outcome is not None
    assert second.outcome.verb == "stop"
    assert third.outcome is not None
    assert third.outcome.result == "4"


def test_a_job_that_finds_no_child_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "PATIENCE", 0.05)
    monkeypatch.setattr(children, "WATCH_EVERY", 0.05)
    second = Ordered("add", a=1)

    async def script(pool: ChildPool) -> None:
        pool.run(Ordered("sleep_long", timeout=None))
        pool.run(second)
        await until(lambda: second.outcome)

    with_pool(script)
    assert second.outcome == Outcome("handback")


def test_a_child_that_grew_too_large_is_replaced() -> None:
    async def script(pool: ChildPool) -> tuple[int, int]:
        pids = []
        for _number in range(2):
            await until(lambda: pool.free, 20)
            errand = Ordered("own_pid")
            pool.run(errand)
            await until(lambda errand=errand: errand.outcome)
            assert errand.outcome is not None
            pids.append(int(errand.outcome.result))
        return pids[0], pids[1]

    before, after = with_pool(script, memory_limit=1)
    assert before != after


def test_closing_ends_every_child() -> None:
    async def script(pool: ChildPool) -> int:
        return pool._children[0].process.pid

    assert not is_running(with_pool(script))


def test_a_child_ignores_the_ctrl_c_of_its_terminal() -> None:
    errand = Ordered("add", a=1)

    async def script(pool: ChildPool) -> None:
        os.kill(pool._children[0].process.pid, signal.SIGINT)
        pool.run(errand)
        await until(lambda: errand.outcome)

    with_pool(script)
    assert errand.outcome is not None
    assert errand.outcome.result == "3"
