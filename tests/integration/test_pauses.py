"""A pause seen from the worker: what waits in a paused queue does not start."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.broker.client import get_client
from tasks.pauses import pause_queue, resume_queue
from tasks.policy import CODE
from tasks.worker.loop import CLOSED_CHECK
from tests.conftest import wait_until
from tests.engine import push_job, status
from tests.integration.conftest import START, Fleet

pytestmark = [pytest.mark.integration, pytest.mark.django_db(transaction=True)]

#: Seconds within which a worker acts on what it is told: sooner than it looks by itself.
AT_ONCE = 0.6 * CLOSED_CHECK

#: Seconds within which it notices that a pause is over; no scheduler runs here.
SOON = CLOSED_CHECK + 1

#: Seconds for which an idle worker is watched.
WATCHED = 3


@pytest.fixture
def _worker(fleet: Fleet) -> None:
    fleet.worker("--queues", "held,free", "--children", "1")


def push(job_id: str, queue: str) -> None:
    path = "tests.sample.add_async"
    push_job(job_id, queue=queue, task=path, path=path, kind="async")


def run_through(queue: str, job_id: str) -> None:
    """Let a job of another queue run to its end: the worker has looked at all by then."""
    push(job_id, queue)
    wait_until(lambda: status(job_id) == "finished", START)


@pytest.mark.usefixtures("_worker")
def test_a_paused_queue_waits_others_go_on_and_a_resume_starts_it_at_once() -> None:
    run_through("held", "before")
    pause_queue(CODE, "held")
    push("a", "held")
    for number in range(3):
        run_through("free", f"other-{number}")
    assert status("a") == "queued"
    resume_queue(CODE, "held")
    wait_until(lambda: status("a") == "finished", AT_ONCE)


@pytest.mark.usefixtures("_worker")
def test_a_pause_with_an_end_ends_by_itself() -> None:
    run_through("held", "before")
    pause = pause_queue(CODE, "held", until=timedelta(seconds=2)).pause
    assert pause is not None
    assert pause.until is not None
    push("a", "held")
    run_through("free", "other")
    assert status("a") == "queued"
    left = pause.until.timestamp() - time.time()
    wait_until(lambda: status("a") == "finished", left + SOON)
    assert time.time() >= pause.until.timestamp()


@pytest.mark.usefixtures("_worker")
def test_what_runs_goes_on(tmp_path: Path) -> None:
    go = tmp_path / "go"
    path = "tests.sample.wait_for"
    push_job("a", queue="held", task=path, path=path, kwargs={"path": str(go)})
    wait_until(lambda: status("a") == "started", START)
    pause_queue(CODE, "held")
    go.touch()
    wait_until(lambda: status("a") == "finished", START)


def cpu_of(pid: int) -> float:
    """Return the seconds of processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def script_calls() -> int:
    stats: Any = get_client().info("commandstats")
    return int(stats.get("cmdstat_evalsha", {}).get("calls", 0))


def test_a_paused_backlog_costs_an_idle_worker_nothing(fleet: Fleet) -> None:
    """A blocking read of a paused queue would answer at once, again and again."""
    process = fleet.worker("--queues", "held,free", "--children", "1")
    run_through("held", "before")
    pause_queue(CODE, "held")
    for number in range(5):
        push(f"a{number}", "held")
    run_through("free", "other")
    calls, cpu, began = script_calls(), cpu_of(process.pid), time.monotonic()
    wait_until(lambda: time.monotonic() - began > WATCHED)
    assert script_calls() - calls < 15 * WATCHED
    assert cpu_of(process.pid) - cpu < 0.1 * WATCHED
