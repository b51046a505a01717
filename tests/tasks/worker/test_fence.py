from __future__ import annotations

import time
from pathlib import Path

import pytest

from tasks.broker import keys
from tasks.broker.engine import LEASE_FOR, Engine
from tasks.errors import BrokerUnavailable
from tasks.worker import lease, understudy
from tasks.worker.fence import FENCE_AFTER, end_children
from tasks.worker.loop import Worker
from tests.conftest import wait_until
from tests.engine import client, kinds, push_job, waiting
from tests.integration.conftest import is_running
from tests.tasks.worker.running import run_worker, until


def push_waiters(folder: Path) -> None:
    """Push a coroutine and a function that run until they are ended."""
    for name, kind in (("wait_for_async", "async"), ("wait_for", "sync")):
        path, kwargs = f"tests.sample.{name}", {"path": str(folder / "never")}
        push_job(kind, task=path, path=path, kind=kind, kwargs=kwargs)


async def both_run(worker: Worker) -> None:
    await until(lambda: len(worker.crew.running) == 2 and worker.pool.running, 20)
    children = worker.pool._children
    await until(lambda: any(child.errands for child in children), 20)


def test_it_ends_the_jobs_before_their_leases_end() -> None:
    """What runs gets time to end, and a renewal that fails late is one that failed."""
    assert FENCE_AFTER + 2 < LEASE_FOR


def test_a_worker_that_cannot_renew_ends_its_jobs(tmp_path: Path) -> None:
    push_waiters(tmp_path)

    async def script(worker: Worker) -> None:
        await both_run(worker)
        renewed_at = worker.heart.renewed_at
        worker.fence.check(renewed_at + FENCE_AFTER - 0.1)
        assert not any(one.handing_back for one in worker.crew.running.values())
        worker.quiet()
        worker.fence.check(renewed_at + FENCE_AFTER + 0.1)
        await until(lambda: sorted(waiting()) == ["async", "sync"])

    run_worker(script, children=1)
    for job_id in ("async", "sync"):
        assert kinds(job_id)[-1] == "handedback"
        assert client().hget(keys.job(job_id), "ty:attempts") == b"0"


def test_each_renewal_gives_the_jobs_more_time() -> None:
    async def script(worker: Worker) -> None:
        worker.heart.renewed_at = before = time.monotonic() - FENCE_AFTER
        await worker.heart.beat()
        assert worker.heart.renewed_at > before + FENCE_AFTER - 1

    run_worker(script)


def test_a_renewal_that_fails_gives_none_and_is_tried_again_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lease, "RENEW_EVERY", 0.05)
    monkeypatch.setattr(lease, "TRY_AGAIN_AFTER", 0.01)
    tries = []

    async def fail(self: Engine, jobs: object) -> set[str]:
        tries.append(time.monotonic())
        raise BrokerUnavailable("gone")

    async def script(worker: Worker) -> None:
        monkeypatch.setattr(Engine, "renew", fail)
        await until(lambda: len(tries) > 3)
        assert worker.heart.renewed_at < tries[0]

    run_worker(script)


def test_a_full_redis_that_refuses_the_entry_renews_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refuse(self: Engine, facts: object) -> None:
        raise BrokerUnavailable("OOM")

    async def script(worker: Worker) -> None:
        await until(lambda: client().exists(keys.worker("w1")))
        monkeypatch.setattr(Engine, "register", refuse)
        worker.heart.renewed_at = 0
        with pytest.raises(BrokerUnavailable):
            await worker.heart.beat()
        assert worker.heart.renewed_at > 0
        monkeypatch.undo()

    run_worker(script)


def test_a_thread_ends_the_children_of_a_loop_that_is_blocked(tmp_path: Path) -> None:
    push_waiters(tmp_path)

    async def script(worker: Worker) -> None:
        await both_run(worker)
        worker.quiet()
        end_children(list(worker.crew.running.values()))
        await until(lambda: waiting() == ["sync"])
        assert [one.job.id for one in worker.crew.running.values()] == ["async"]

    run_worker(script, children=1)


def test_who_stands_in_for_a_blocked_loop_ends_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(jobs: object) -> None:
        raise BrokerUnavailable("gone")

    monkeypatch.setattr(understudy, "renew_blocking", fail)
    monkeypatch.setattr(understudy, "BLOCKED_AFTER", 0.2)
    monkeypatch.setattr(understudy, "LOOK_EVERY", 0.02)
    push_waiters(tmp_path)

    async def script(worker: Worker) -> None:
        await both_run(worker)
        worker.quiet()
        pids = [child.process.pid for child in worker.pool._children if child.errands]
        worker.heart.renewed_at = time.monotonic() - FENCE_AFTER - 1
        wait_until(lambda: not any(map(is_running, pids)))  # which blocks the loop
        await until(lambda: sorted(waiting()) == ["async", "sync"])

    run_worker(script, children=1)
