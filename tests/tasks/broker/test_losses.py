from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tasks.broker import keys, losses
from tasks.broker.engine import Engine
from tasks.broker.losses import SEVERED, read_workers, sever, strike_off, sweep
from tasks.broker.workers import WorkerInfo
from tests.engine import claim, claim_all, client, push_job, settle


def register(name: str = "w1", *queues: str, **facts: Any) -> WorkerInfo:
    """Have a worker beat once, and return what it said of itself."""
    listed = list(queues or ("default",))
    told = {"hostname": "vm-3", "pid": 7, "queues": ",".join(listed), **facts}

    async def beat() -> None:
        engine = Engine(name, "vm-3", listed)
        await engine.register({"version": "taskyard 1", **told})
        await engine.close()

    asyncio.run(beat())
    return next(worker for worker in read_workers()[0] if worker.name == name)


def scores(queue: str = "default") -> dict[str, float]:
    found: Any = client().zrange(keys.lease(queue), 0, -1, withscores=True)
    return {member.decode().partition(":")[0]: score for member, score in found}


def test_the_leases_of_one_worker_are_severed_and_no_others() -> None:
    worker = register("w1", "default", "mail")
    for job_id, queue in (("a", "default"), ("b", "mail"), ("c", "default")):
        push_job(job_id, queue=queue)
    claim("default", worker="w1")
    claim("mail", worker="w1")
    claim("default", worker="w2")
    sever(worker)
    assert (scores()["a"], scores("mail")["b"]) == (0, 0)
    assert scores()["c"] > 0
    assert [loss.job_id for loss in sweep("default", SEVERED)] == ["a"]


def test_all_of_many_leases_are_severed() -> None:
    worker = register()
    for number in range(600):
        push_job(f"j{number}")
    while claim_all(sync=200, most=200).jobs:
        pass
    sever(worker)
    assert set(scores().values()) == {0}


def test_a_lease_that_ends_meanwhile_is_not_brought_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker = register()
    push_job("a")
    job = claim()

    def settle_first(_worker: str, members: list[str]) -> list[str]:
        settle(job)
        return members

    monkeypatch.setattr(losses, "_held_by", settle_first)
    sever(worker)
    assert scores() == {}


def test_a_worker_that_is_struck_off_is_known_to_nobody() -> None:
    worker = register("w1", "default", "mail")
    strike_off(worker)
    assert read_workers()[0] == []
    assert client().smembers(keys.queue_workers("mail")) == set()
    assert client().hget(keys.worker("w1"), "death")
    assert not client().hexists(keys.worker("w1"), "ty:seen")
    assert 0 < client().ttl(keys.worker("w1")) <= 60
