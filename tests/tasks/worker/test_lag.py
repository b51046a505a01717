from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tasks.worker.culprit import find_culprit
from tasks.worker.lag import PROBE_EVERY, WINDOW, LoopLag


def test_the_worst_and_the_mean_are_those_of_the_readings_since_a_moment() -> None:
    lag = LoopLag()
    now = lag.ticked_at
    for late in (0.0, 3.0, 0.0, 0.2):
        now += PROBE_EVERY + late
        lag.tick(now)
    since = now - 2 * PROBE_EVERY
    assert lag.worst(since) == pytest.approx(0.2)
    assert lag.mean(since) == pytest.approx(0.1)
    assert lag.worst(now - WINDOW) == pytest.approx(3.0)


def test_before_the_first_reading_there_is_no_lag() -> None:
    lag = LoopLag()
    assert (lag.worst(0), lag.mean(0)) == (0, 0)


def test_the_probe_finds_a_block() -> None:
    lag = LoopLag()

    async def main() -> None:
        probe = asyncio.create_task(lag.run())
        await asyncio.sleep(0)
        time.sleep(PROBE_EVERY + 0.3)
        await asyncio.sleep(0.01)
        probe.cancel()

    asyncio.run(main())
    assert 0.25 < lag.worst(0) < 60


def test_a_loop_that_only_waits_blames_nobody() -> None:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(5)
    assert thread.ident
    assert find_culprit(loop, thread.ident, []) is None
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


def test_a_task_that_no_job_is_known_for_is_named_by_its_code() -> None:
    release, found = threading.Event(), []

    async def compute() -> None:
        release.wait(5)

    async def main() -> None:
        loop, thread = asyncio.get_running_loop(), threading.get_ident()

        def look() -> None:
            found.append(find_culprit(loop, thread, []))
            release.set()

        looker = threading.Timer(0.05, look)
        looker.start()
        await asyncio.create_task(compute())
        looker.join()

    asyncio.run(main())
    (culprit,) = found
    assert culprit
    assert (culprit.running, culprit.name) == (None, "compute")
    assert "release.wait(5)" in culprit.stack
    assert "asyncio" not in culprit.stack.partition("release.wait")[0]
