from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.broker import keys
from tasks.broker.engine import Engine
from tasks.broker.entries import WORKER_TTL
from tasks.broker.wire import format_date
from tasks.broker.workers import WorkerInfo, find_worker
from tests.engine import client


def register(**facts: Any) -> WorkerInfo:
    """Write the entry of worker w1, and read it as others do."""

    async def run() -> None:
        engine = Engine("w1", "host", ["default", "low"])
        try:
            await engine.register({"version": "taskyard 1", **facts})
        finally:
            await engine.close()

    asyncio.run(run())
    found, _now = find_worker("w1")
    assert found is not None
    return found


def now() -> datetime:
    seconds, _micros = client().time()
    return datetime.fromtimestamp(seconds, UTC)


def test_the_entry_is_on_every_list_and_expires() -> None:
    register()
    key = keys.worker("w1").encode()
    for name in (
        keys.WORKERS,
        keys.queue_workers("default"),
        keys.queue_workers("low"),
    ):
        assert client().smembers(name) == {key}
    assert 0 < client().ttl(key) <= WORKER_TTL


def test_what_is_said_no_more_goes() -> None:
    register(current_job="a")
    assert register().current_job_id is None


@pytest.mark.parametrize("ahead", [90, -90])
def test_a_worker_whose_clock_is_wrong_lives_and_its_clock_is_known(ahead: int) -> None:
    told = format_date(now() + timedelta(seconds=ahead))
    worker = register(last_heartbeat=told)
    assert worker.is_alive(now())
    assert abs(worker.clock_ahead - ahead) < 5


def test_a_worker_that_fell_silent_is_not_alive() -> None:
    worker = register(last_heartbeat=format_date(now()))
    assert not worker.is_alive(now() + timedelta(seconds=30))
