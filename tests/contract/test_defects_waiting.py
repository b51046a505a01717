"""RQ 2.12's defects of jobs that wait, tried on ours (the list: docs)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rq import Repeat
from rq.registry import ScheduledJobRegistry

from tasks.broker import keys
from tests.contract.stock import queue
from tests.engine import (
    claim,
    claim_all,
    client,
    make_due,
    move,
    push_job,
    run_next,
    settle,
    status,
    waiting,
)


@pytest.fixture(params=["Europe/Berlin", "America/New_York", "Asia/Shanghai"])
def _zone(request: pytest.FixtureRequest) -> Iterator[None]:
    """Give this process a local time, as Django does from TIME_ZONE."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.usefixtures("_zone")
def test_d06_a_repeat_keeps_its_interval_in_every_zone() -> None:
    queue().enqueue("tests.sample.add", 1, job_id="a", repeat=Repeat(2, interval=600))
    run_next()
    due = client().zscore(keys.scheduled("default"), "a")
    assert due == pytest.approx(datetime.now(UTC).timestamp() + 600, abs=30)
    assert move()[0] == 0, "not back to back"


def test_d07_a_stock_client_s_delayed_job_is_not_dropped_half_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It writes the moment first and the job second; we look in between."""
    schedule = ScheduledJobRegistry.schedule

    def interrupted(*args: Any, **options: Any) -> Any:
        answer = schedule(*args, **options)
        move()
        return answer

    monkeypatch.setattr(ScheduledJobRegistry, "schedule", interrupted)
    job = queue().enqueue_in(timedelta(0), "tests.sample.add", 1)
    assert queue().scheduled_job_registry.get_job_ids() == [job.id]
    make_due(job.id, keys.scheduled("default"))
    move()
    assert waiting() == [job.id]


@pytest.mark.parametrize("whose", ["ours", "stock"])
def test_d13_a_job_with_a_delay_and_a_parent_waits_for_both(whose: str) -> None:
    push_job("parent")
    key = keys.DELAYED
    if whose == "ours":
        due = datetime.now(UTC) + timedelta(hours=1)
        push_job("child", depends_on=["parent"], due_at=due)
        assert status("child") == "deferred"
    else:
        later, key = timedelta(hours=1), keys.scheduled("default")
        queue().enqueue_in(
            later, "tests.sample.add", 1, job_id="child", depends_on="parent"
        )
        make_due("child", key)
        move()
        assert status("child") == "deferred"
        assert queue().deferred_job_registry.get_job_ids() == ["child"]
    assert waiting() == ["parent"]
    run_next()
    if whose == "ours":
        assert status("child") == "scheduled"
        make_due("child", key)
        move()
    assert (status("child"), waiting()) == ("queued", ["child"])


def test_d13_a_parent_that_finished_first_holds_nobody() -> None:
    push_job("parent")
    run_next()
    later = timedelta(hours=1)
    queue().enqueue_in(
        later, "tests.sample.add", 1, job_id="child", depends_on="parent"
    )
    make_due("child", keys.scheduled("default"))
    move()
    assert waiting() == ["child"]


def test_d15_an_expired_job_leaves_the_queue_at_the_next_claim() -> None:
    for number in range(300):
        queue().enqueue("tests.sample.add", 1, job_id=f"j{number}", ttl=60)
        client().delete(keys.job(f"j{number}"))  # as Redis does when its ttl is over
    push_job("good")
    assert queue().count == 301
    taken = [job.id for _call in range(2) for job in claim_all().jobs]
    assert (taken, queue().count) == (["good"], 0)


def test_d15_what_starts_in_time_outlives_its_ttl() -> None:
    queue().enqueue("tests.sample.add", 1, job_id="a", ttl=60)
    assert 0 < client().ttl(keys.job("a")) <= 60
    job = claim()
    assert client().ttl(keys.job("a")) == -1
    assert settle(job) == "finished"
