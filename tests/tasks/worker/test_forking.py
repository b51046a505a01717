from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.worker import fork_server, programs
from tasks.worker.children import ChildPool
from tasks.worker.forking import ForkServer
from tasks.worker.programs import Process
from tests.conftest import wait_until
from tests.tasks.worker.running import until
from tests.tasks.worker.test_children import Ordered, is_running, run, with_pool

#: What the children of a test hold, so that none ends by itself.
held = contextlib.ExitStack()


@pytest.fixture(autouse=True)
def _hold() -> Iterator[None]:
    with held:
        yield


def lines() -> tuple[int, int]:
    """Return what a child is given: a socket on which nothing comes, and a pipe."""
    ours, theirs = socket.socketpair()
    tokens, writable = os.pipe()
    for end in (ours, theirs):
        held.enter_context(end)
    for descriptor in (tokens, writable):
        held.callback(os.close, descriptor)
    return theirs.fileno(), tokens


def with_server(script: Callable[[ForkServer], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        server = ForkServer(died=lambda: deaths.append(1))
        try:
            async with asyncio.timeout(60):
                return await script(server), len(deaths)
        finally:
            await server.close()

    deaths: list[int] = []
    return asyncio.run(main())


async def launch(server: ForkServer) -> Process:
    return await server.launch(*lines())


def parent_of(process: Process) -> int:
    status = Path(f"/proc/{process.pid}/stat").read_text()
    return int(status.rpartition(")")[2].split()[1])


def test_all_children_come_of_one_process_that_is_no_worker() -> None:
    async def script(pool: ChildPool) -> set[int]:
        for _number in range(3):
            pool.run(Ordered("sleep_long"))
        await until(lambda: len(pool._children) == 3, 20)
        return {parent_of(child.process) for child in pool._children}

    (parent,) = with_pool(script, size=3)
    assert parent != os.getpid()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_tells_by_which_signal_a_child_ended(number: int) -> None:
    async def script(server: ForkServer) -> int:
        child = await launch(server)
        os.kill(child.pid, number)
        return await child.wait()

    assert with_server(script) == (-number, 0)


def test_each_child_leads_a_session() -> None:
    async def script(server: ForkServer) -> list[bool]:
        children = [await launch(server) for _number in range(2)]
        return [os.getsid(child.pid) == child.pid for child in children]

    assert with_server(script)[0] == [True, True]


def test_it_is_started_again_where_it_could_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def script(server: ForkServer) -> bool:
        with monkeypatch.context() as context:
            context.setenv("TASKYARD_TASKS", "tests.no_such_module")
            with pytest.raises(OSError, match="the fork server: "):
                await launch(server)
        return is_running((await launch(server)).pid)

    assert with_server(script) == (True, 0)


@pytest.mark.parametrize("module", ["opens_threads", "opens_connections"])
def test_a_process_that_must_not_be_copied_is_not(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKYARD_TASKS", f"tests.sample,tests.{module}")
    executed = []
    execute = programs.execute

    async def note(module: str, *descriptors: int) -> Process:
        executed.append(module)
        return await execute(module, *descriptors)

    monkeypatch.setattr("tasks.worker.forking.execute", note)
    assert run(Ordered("add", a=1))[0].result == "3"
    assert executed == ["tasks.worker.fork_server", "tasks.worker.child"]


def test_its_death_is_that_of_the_worker_and_ends_its_children() -> None:
    async def script(server: ForkServer) -> int:
        child = await launch(server)
        os.kill(parent_of(child), signal.SIGKILL)
        return await child.wait()

    assert with_server(script) == (-signal.SIGKILL, 1)


def test_a_job_that_asks_its_parent_to_end_ends_nothing() -> None:
    async def script(server: ForkServer) -> bool:
        child = await launch(server)
        os.kill(parent_of(child), signal.SIGTERM)
        another = await launch(server)
        return parent_of(another) == parent_of(child)

    assert with_server(script) == (True, 0)


def test_a_child_that_nobody_waits_for_any_more_is_ended() -> None:
    async def script(server: ForkServer) -> None:
        await launch(server)
        launching = asyncio.create_task(server.launch(*lines()))
        while not server._asked:
            await asyncio.sleep(0)
        launching.cancel()
        await until(lambda: not server._asked)
        await until(lambda: len(server._forked) == 1)

    with_server(script)


def test_nothing_is_left_when_it_closes() -> None:
    async def script(server: ForkServer) -> tuple[int, int]:
        child = await launch(server)
        return parent_of(child), child.pid

    (parent, child), _deaths = with_server(script)
    assert not is_running(parent)
    wait_until(lambda: not is_running(child))  # the kernel ends it


def test_each_child_draws_numbers_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    seeded: list[int] = []
    numpy_random = SimpleNamespace(seed=lambda: seeded.append(1))
    monkeypatch.setitem(sys.modules, "numpy.random", numpy_random)
    monkeypatch.setattr(fork_server.os, "setsid", lambda: None)
    monkeypatch.setattr(fork_server.signal, "signal", lambda *_: None)
    fork_server._begin_anew()
    assert seeded == [1]
