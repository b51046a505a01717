"""What our `submit` writes, run by a stock `rq worker`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django_rq
import pytest
from rq.job import Job
from rq.results import Result

from tasks.broker import keys
from tasks.registry import Call, registry
from tasks.submission import submit, submit_many
from tests.contract.stock import fetch, run_stock_worker
from tests.engine import client, make_due, move, status, waiting
from tests.integration.conftest import Fleet
from tests.sample import (
    add,
    add_async,
    fail,
    flaky,
    greet,
    sleep_long,
    wait_for,
)

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]


def value(job_id: str) -> Any:
    job = fetch(job_id)
    assert job.is_finished, job.latest_result()
    return job.return_value()


def error(job_id: str) -> str:
    result = fetch(job_id).latest_result()
    assert result is not None
    assert result.type == Result.Type.FAILED
    return str(result.exc_string)


def start(job: Job) -> datetime:
    assert job.started_at is not None
    return job.started_at


def test_a_stock_worker_keeps_every_option(fleet: Fleet, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    seen.touch()
    ids = {
        "id": submit(add, {"a": "40"}, id="chosen_by-me").id,
        "queue": submit(add, [1], queue="other").id,
        "queue of the task": submit(greet, ["Ann"]).id,
        "description": submit(add, [2], description="adds two").id,
        "tags": submit(add, [3], tags=["x", "y"]).id,
        "timeout": submit(sleep_long, timeout=1).id,
        "no timeout": submit(add, [4], timeout=-1).id,
        "coroutine": submit(add_async, [5]).id,
        "progress": submit(wait_for, [seen]).id,
    }
    run_stock_worker(fleet, "default", "other", "emails")
    assert ids["id"] == "chosen_by-me"
    assert value(ids["id"]) == 42
    assert value(ids["queue"]) == 3
    assert fetch(ids["queue"]).origin == "other"
    assert value(ids["queue of the task"]) == "hello Ann"
    assert fetch(ids["description"]).description == "adds two"
    assert value(ids["tags"]) == 5
    assert "JobTimeoutException" in error(ids["timeout"])
    assert fetch(ids["no timeout"]).timeout == -1
    assert value(ids["no timeout"]) == 6
    assert value(ids["coroutine"]) == 7
    assert value(ids["progress"]) == "seen"


def test_a_stock_worker_retries_as_we_said(fleet: Fleet, tmp_path: Path) -> None:
    ours = submit(fail, retries=2, backoff=0).id
    later = submit(flaky, [tmp_path / "never"], retries=1, backoff=30).id
    run_stock_worker(fleet, "default")
    assert (status(ours), status(later)) == ("failed", "scheduled")
    assert fetch(ours).retries_left == 0
    due = client().zscore(keys.scheduled("default"), later)
    assert due == pytest.approx(datetime.now(UTC).timestamp() + 30, abs=20)
    make_due(later, keys.scheduled("default"))
    move()
    (tmp_path / "never").touch()
    run_stock_worker(fleet, "default")
    assert value(later) == "there"


def test_a_stock_worker_follows_our_dependencies(fleet: Fleet) -> None:
    good, bad = submit(add, [1]), submit(fail)
    after = submit(add, [2], depends_on=[good])
    after_after = submit(add, [3], depends_on=[after, good])
    never = submit(add, [4], depends_on=[bad, good])
    anyway = submit(add, [5], depends_on=[bad, good], allow_failure=True)
    run_stock_worker(fleet, "default")
    assert [value(h.id) for h in (after, after_after, anyway)] == [4, 5, 7]
    assert status(never.id) == "deferred"


def test_a_stock_worker_takes_the_front_first_and_the_late_when_due(
    fleet: Fleet,
) -> None:
    first = submit(add, [1])
    front = submit(add, [2], at_front=True)
    delayed = submit(add, [3], delay=timedelta(hours=1))
    moment = submit(add, [4], at=datetime.now(UTC) + timedelta(hours=2))
    for handle in (delayed, moment):
        assert fetch(handle.id).is_scheduled
        make_due(handle.id)
    move()
    run_stock_worker(fleet, "default")
    jobs = sorted(
        map(fetch, (h.id for h in (first, front, delayed, moment))), key=start
    )
    assert [job.id for job in jobs[:2]] == [front.id, first.id]
    assert all(job.is_finished for job in jobs)


def test_a_stock_worker_runs_what_was_submitted_together(fleet: Fleet) -> None:
    task = registry.get("tests.sample.add")
    handles = submit_many([Call(task, [n]) for n in range(60)])
    run_stock_worker(fleet, "default")
    assert [value(handle.id) for handle in handles] == [n + 2 for n in range(60)]
    assert waiting() == []


def test_django_rq_s_worker_runs_what_was_submitted(fleet: Fleet) -> None:
    """Its own `rqworker` ignores the serializer that the queue names."""
    handle = submit(add, [1])
    django_rq.get_queue("default").enqueue(add, 2, job_id="stock")
    fleet.run("manage.py", "rqworker", "default", "--burst")
    assert (value(handle.id), value("stock")) == (3, 4)
