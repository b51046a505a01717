from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from tasks.broker.attempts import CLAIMED_FIELDS, Claimed, Settlement
from tasks.errors import BrokerUnavailable
from tasks.worker import settle as settle_module
from tasks.worker.settle import BATCH, Settler


class Answers:
    """Stands where the engine does; fails as often as it is told."""

    def __init__(self, failures: int = 0, answer: str = "finished") -> None:
        self.failures = failures
        self.answer = answer
        self.batches: list[list[str]] = []

    async def settle(self, batch: Sequence[Settlement]) -> list[str]:
        if self.failures:
            self.failures -= 1
            raise BrokerUnavailable("gone")
        self.batches.append([settlement.job.id for settlement in batch])
        return [self.answer] * len(batch)


def settlement(job_id: str) -> Settlement:
    values = [None] * len(CLAIMED_FIELDS)
    job = Claimed(job_id, "e", "default", 1, f"{job_id}:e", values)
    return Settlement(job, "finish", 0.0)


def settle_all(answers: Answers, *job_ids: str) -> Settler:
    async def main() -> Settler:
        settler = Settler(answers)  # type: ignore[arg-type]
        running = asyncio.create_task(settler.run())
        for job_id in job_ids:
            settler.add(settlement(job_id))
        await asyncio.wait_for(settler.drained(), 5)
        running.cancel()
        return settler

    return asyncio.run(main())


def test_ends_that_come_together_are_sent_together() -> None:
    answers = Answers()
    settle_all(answers, "a", "b", "c")
    assert answers.batches == [["a", "b", "c"]]


def test_a_batch_is_bounded() -> None:
    answers = Answers()
    settle_all(answers, *(str(number) for number in range(BATCH + 1)))
    assert [len(batch) for batch in answers.batches] == [BATCH, 1]


def test_ends_are_kept_until_redis_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle_module, "FIRST_PAUSE", 0.001)
    answers = Answers(failures=3)
    assert settle_all(answers, "a", "b").pending == 0
    assert answers.batches == [["a", "b"]]


def test_a_superseded_end_is_said(caplog: pytest.LogCaptureFixture) -> None:
    settle_all(Answers(answer="superseded"), "a")
    assert "job a had been taken from this worker" in caplog.text


def test_an_end_that_is_refused_does_not_hold_up_the_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settle_all(Answers(answer="broken: WRONGTYPE"), "a")
    assert "the end of job a was refused: broken: WRONGTYPE" in caplog.text


class Unsendable(Answers):
    """Cannot send the end of job `bad` unless it is a failure."""

    async def settle(self, batch: Sequence[Settlement]) -> list[str]:
        if any(s.job.id == "bad" and s.verb == "finish" for s in batch):
            raise ValueError("half a surrogate")
        return await super().settle(batch)


def test_an_end_that_cannot_be_sent_becomes_a_failure_and_holds_up_nobody() -> None:
    answers = Unsendable()
    settle_all(answers, "a", "bad", "b")
    assert sorted(job for batch in answers.batches for job in batch) == [
        "a",
        "b",
        "bad",
    ]
