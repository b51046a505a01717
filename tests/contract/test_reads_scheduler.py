"""Our delayed jobs, read and changed through rq-scheduler's own API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from rq_scheduler import Scheduler

from tasks.broker import keys
from tests.contract.stock import fetch
from tests.engine import client, move, push_job, status, waiting
from tests.tasks.worker.running import run_until


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler("default", connection=client())


def delay(job_id: str) -> datetime:
    due = datetime.now(UTC) + timedelta(hours=1)
    push_job(job_id, due_at=due)
    return due


def test_rq_scheduler_lists_our_delayed_jobs(scheduler: Scheduler) -> None:
    due = delay("a")
    delay("b")
    (first, second) = scheduler.get_jobs(with_times=True)
    assert (first[0].id, second[0].id) == ("a", "b")
    assert abs(first[1].replace(tzinfo=UTC) - due) < timedelta(seconds=1)
    assert [job.id for job in scheduler.get_jobs()] == ["a", "b"]
    assert list(scheduler.get_jobs(until=timedelta(minutes=30))) == []
    assert (scheduler.count(), "a" in scheduler, "c" in scheduler) == (2, True, False)


def test_rq_scheduler_cancels_one_and_moves_another(scheduler: Scheduler) -> None:
    delay("canceled")
    delay("sooner")
    scheduler.cancel("canceled")
    scheduler.change_execution_time(
        fetch("sooner"), datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=1)
    )
    move()
    assert (waiting(), client().zcard(keys.DELAYED)) == (["sooner"], 0)
    run_until(lambda: status("sooner") == "finished", children=1)
