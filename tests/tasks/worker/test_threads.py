from __future__ import annotations

import asyncio
import threading

import pytest

from tasks.worker import threads
from tasks.worker.context import JobContext, current_job, enter_job
from tasks.worker.threads import run_in_thread


def test_it_returns_and_raises_what_the_function_does() -> None:
    assert asyncio.run(run_in_thread(divmod, 7, 2)) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(run_in_thread(divmod, 7, 0))


def test_the_function_knows_the_current_job_and_not_the_loop_s_thread() -> None:
    async def main() -> tuple[str, bool]:
        enter_job(JobContext(id="a"))
        return await run_in_thread(
            lambda: (current_job().id, threading.current_thread().daemon)
        )

    assert asyncio.run(main()) == ("a", True)


def test_only_so_many_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "AT_ONCE", 1)
    second_began = threading.Event()

    async def main() -> list[object]:
        first = run_in_thread(second_began.wait, 0.2)
        return await asyncio.gather(first, run_in_thread(second_began.set))

    assert asyncio.run(main()) == [False, None]


def test_who_gives_up_waits_no_longer() -> None:
    go_on = threading.Event()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await run_in_thread(go_on.wait)

    asyncio.run(main())
    go_on.set()
