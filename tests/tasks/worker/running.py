"""A worker that runs inside a test, on the test's own loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tasks.worker.loop import Worker
from tests.conftest import PATIENCE

#: A test's own part: it gets the worker, and the worker ends when it returns.
Script = Callable[[Worker], Awaitable[Any]]


async def until(predicate: Callable[[], object], timeout: float = PATIENCE) -> None:
    """Let the loop run until `predicate` answers true."""
    async with asyncio.timeout(timeout):
        while not predicate():
            await asyncio.sleep(0.005)


def run_worker(script: Script, *queues: str, **options: Any) -> Any:
    """Run a worker (coroutines only, unless it is given children) until `script` ends."""

    async def main() -> Any:
        settings: dict[str, Any] = {"children": 0, "grace": 0.1, "name": "w1"}
        worker = Worker(queues or ("default",), **{**settings, **options})
        running = asyncio.create_task(worker.run())
        # A script that fails must not leave the worker behind, nor wait for one that died.
        own = asyncio.ensure_future(script(worker))
        await asyncio.wait((running, own), return_when=asyncio.FIRST_COMPLETED)
        worker.stop()
        await running
        return await asyncio.wait_for(own, 1)

    return asyncio.run(main())


def run_until(predicate: Callable[[], object], *queues: str, **options: Any) -> None:
    """Run a worker until `predicate` answers true."""

    async def script(_worker: Worker) -> None:
        await until(predicate)

    run_worker(script, *queues, **options)
