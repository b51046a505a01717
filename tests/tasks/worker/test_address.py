from __future__ import annotations

import threading

import pytest

from tasks.broker import keys
from tasks.worker import lease
from tasks.worker.loop import Worker
from tests.engine import client, push_job, status
from tests.tasks.worker.running import run_worker, until


def test_a_look_up_that_hangs_holds_up_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def hang() -> str:
        answered.wait(20)
        return "192.0.2.7"

    monkeypatch.setattr(lease, "_find_address", hang)
    monkeypatch.setattr(lease, "RENEW_EVERY", 0.05)
    path = "tests.sample.add_async"
    push_job("a", task=path, path=path, kind="async")

    def address() -> bytes | None:
        return client().hget(keys.worker("w1"), "ip_address")

    async def script(_worker: Worker) -> None:
        await until(lambda: status("a") == "finished", 10)
        assert address() == b""
        answered.set()
        await until(lambda: address() == b"192.0.2.7")

    run_worker(script)
