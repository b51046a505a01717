from __future__ import annotations

from typing import Any

import pytest

from tasks.broker import keys
from tasks.broker.attempts import ClaimAnswer
from tasks.broker.engine import Engine
from tasks.errors import BrokerUnavailable
from tasks.worker import loop, unanswered
from tasks.worker.loop import Worker
from tests.engine import claim, client, kinds, push_job, status
from tests.tasks.worker.running import run_worker, until


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unanswered, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(loop, "PAUSE", 0.02)


def push_async(job_id: str) -> str:
    path = "tests.sample.add_async"
    return push_job(job_id, task=path, path=path, kind="async")


def lose_answers(monkeypatch: pytest.MonkeyPatch, number: int) -> list[int]:
    """Have the answers of so many claims that took a job be lost on their way."""
    lost: list[int] = []
    claim_as_before = Engine.claim

    async def lossy(self: Engine, *args: Any) -> ClaimAnswer:
        answer = await claim_as_before(self, *args)
        if answer.jobs and len(lost) < number:
            lost.append(len(answer.jobs))
            raise BrokerUnavailable("the connection was reset")
        return answer

    monkeypatch.setattr(Engine, "claim", lossy)
    return lost


def test_jobs_whose_claim_was_not_answered_run_at_once_uncounted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lost = lose_answers(monkeypatch, 1)
    ids = [push_async(job_id) for job_id in "abc"]

    async def script(worker: Worker) -> None:
        await until(lambda: all(status(job_id) == "finished" for job_id in ids), 5)

    run_worker(script)
    assert lost == [3]
    for job_id in ids:
        told = kinds(job_id)
        assert told == ["pushed", "started", "handedback", "started", "finished"]
        assert client().hget(keys.job(job_id), "ty:attempts") == b"1"


def test_what_others_hold_stays_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    push_async("theirs")
    claim(worker="w2")
    push_async("ours")
    lose_answers(monkeypatch, 1)

    async def script(worker: Worker) -> None:
        await until(lambda: status("ours") == "finished", 5)

    run_worker(script)
    assert status("theirs") == "started"
    assert client().zcard(keys.lease("default")) == 1


def test_a_claim_that_reached_redis_late_is_found_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A worker looks more than once; the job is claimed after its first look."""

    async def script(worker: Worker) -> None:
        await until(lambda: client().exists(keys.worker("w1")))
        worker.quiet()
        worker.unanswered.note(["e1"])
        await worker.unanswered.look()
        push_async("a")
        await worker.engine.claim(0, 1, ["e1"])
        worker.wake()
        await until(lambda: status("a") == "finished", 5)

    run_worker(script)
    assert "handedback" in kinds("a")


def test_a_claim_is_forgotten_when_it_cannot_arrive_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unanswered, "LATEST", 0)

    async def script(worker: Worker) -> None:
        worker.unanswered.note(["e1"])
        await until(lambda: not worker.unanswered._claims)
        assert not worker.unanswered._noted.is_set()

    run_worker(script)
