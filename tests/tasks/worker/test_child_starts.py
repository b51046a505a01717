from __future__ import annotations

import asyncio

import pytest

from tasks.worker import children
from tasks.worker.child_process import ChildProcess
from tasks.worker.children import ChildPool
from tests.tasks.worker.running import until


def test_the_first_two_children_start_side_by_side() -> None:
    async def begin() -> int:
        pool = ChildPool(4, changed=lambda: None)
        pool.warm_up()
        try:
            return len(pool._starting)
        finally:
            await pool.close()

    assert asyncio.run(begin()) == 2


def test_a_child_that_cannot_start_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(children, "RESTART_PAUSE", 0.01)
    start, tries = ChildProcess.start, []

    async def fail_first(self: ChildProcess) -> bool:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("no memory")
        return await start(self) if len(tries) > 2 else False

    monkeypatch.setattr(ChildProcess, "start", fail_first)

    async def begin() -> None:
        pool = ChildPool(1, changed=lambda: None)
        pool.warm_up()
        await until(lambda: pool.free)
        await pool.close()

    asyncio.run(begin())
    assert len(tries) == 3
    assert "a child process could not be started: no memory" in caplog.text
