from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.worker import probation
from tasks.worker.probation import NONE, TRIAL, Probation
from tests.tasks.worker.claimed import claimed_job

LOST = claimed_job(deaths="1")
NEW = claimed_job()
RUNNING = {LOST.member: None}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, as the module sees it; it passes by its own sleeps."""
    now = [100.0]

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    told = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(probation, "time", told)
    monkeypatch.setattr(probation, "asyncio", SimpleNamespace(sleep=sleep))
    return now


def watch(made: Probation, *jobs: Any) -> None:
    asyncio.run(made.watch(jobs))


def test_it_takes_one_lost_job_at_first_and_twice_as_many_each_moment(
    clock: list[float],
) -> None:
    made = Probation(RUNNING, bool, is_on=True)
    assert made.most == 1
    watch(made, LOST)
    assert made.most == 2
    clock[0] += 0.25
    assert made.most == 8
    clock[0] += 3600
    assert made.most == 64
    watch(made, LOST)
    assert clock[0] < 3702


def test_it_begins_anew_when_no_more_lost_jobs_come(clock: list[float]) -> None:
    made = Probation(RUNNING, bool, is_on=True)
    watch(made, LOST)
    watch(made, NEW)
    assert made.most == 1


def test_it_waits_for_lost_jobs_to_end_but_not_for_long(clock: list[float]) -> None:
    watch(Probation(RUNNING, bool, is_on=True), LOST, NEW)
    assert 0.1 <= clock[0] - 100 < 0.12
    clock[0] = 100
    watch(Probation({}, bool, is_on=True), LOST, NEW)
    assert clock[0] == 100


def test_where_it_is_off_lost_jobs_are_like_others(clock: list[float]) -> None:
    made = Probation(RUNNING, bool, is_on=False)
    watch(made, LOST)
    assert (made.most, clock[0]) == (0, 100)


def test_a_long_trial_does_not_hold_up_other_lost_jobs(clock: list[float]) -> None:
    trying = [True]
    made = Probation({}, lambda: trying[0], is_on=True)
    assert made.most == NONE
    clock[0] += TRIAL - 1
    assert made.most == NONE
    clock[0] += 2
    assert made.most == 1
    trying[0] = False
    assert made.most == 1
    trying[0] = True
    assert made.most == NONE
