"""Coroutines that do not behave: their jobs end clearly, and the worker lives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tasks.broker import jobs as broker_jobs
from tasks.broker import keys
from tasks.broker.snapshot import WorkerInfo, read_log, read_snapshot
from tests.conftest import wait_until
from tests.engine import client, kinds, push_job, status
from tests.integration.conftest import START, Fleet
from tests.integration.misfits import expect_work, last, push, push_add

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("name", "error"),
    [("exit_in_task", "SystemExit"), ("interrupt_in_task", "KeyboardInterrupt")],
)
def test_an_exit_in_a_task_of_a_coroutine_fails_only_its_job(
    misfits_fleet: Fleet, folder: Path, name: str, error: str
) -> None:
    worker = misfits_fleet.worker("--children", "1")
    go = folder / "go"
    path = "tests.sample.wait_for_async"
    kwargs = {"path": str(go)}
    push_job("wait_for_async", task=path, path=path, kind="async", kwargs=kwargs)
    wait_until(lambda: status("wait_for_async") == "started", START)
    push(name, "async")
    wait_until(lambda: status(name) == "failed")
    assert last(name)["error"] == error
    go.touch()
    wait_until(lambda: status("wait_for_async") == "finished")
    expect_work(worker)


def test_a_coroutine_that_stops_the_loop_does_not_end_the_worker(
    misfits_fleet: Fleet,
) -> None:
    worker = misfits_fleet.worker("--children", "1")
    push("stop_the_loop", "async")
    wait_until(lambda: status("stop_the_loop") == "finished")
    expect_work(worker)


def test_a_stopped_coroutine_that_goes_on_keeps_its_slot_but_no_job(
    misfits_fleet: Fleet, folder: Path
) -> None:
    worker = misfits_fleet.worker("--children", "1", "--concurrency", "1")
    go = folder / "go"
    push("refuse_to_end", "async", path=str(go))
    wait_until(lambda: status("refuse_to_end") == "started", START)
    assert broker_jobs.request_stop("refuse_to_end")
    wait_until(lambda: status("refuse_to_end") == "stopped")
    assert client().zcard(keys.lease("default")) == 0
    served, held = push_add("sync"), push_add("async")
    wait_until(lambda: status(served) == "finished", START)
    assert status(held) == "queued"
    go.touch()
    wait_until(lambda: status(held) == "finished")
    assert kinds("refuse_to_end") == ["pushed", "started", "stopped"]
    assert worker.poll() is None


def test_a_timed_out_coroutine_that_goes_on_fails_and_does_not_hold_up_the_end(
    misfits_fleet: Fleet, folder: Path
) -> None:
    worker = misfits_fleet.worker("--children", "0", "--grace", "0")
    path = "tests.misfits.refuse_to_end"
    kwargs = {"path": str(folder / "never")}
    push_job("late", task=path, path=path, kind="async", kwargs=kwargs, timeout=1)
    wait_until(lambda: status("late") == "failed", START)
    assert last("late")["error"] == "JobTimedOut"
    push_job("held", task=path, path=path, kind="async", kwargs=kwargs)
    wait_until(lambda: status("held") == "started")
    worker.terminate()
    assert worker.wait(START) == 0
    assert status("held") == "queued"


def test_a_block_is_named_with_its_stack_while_others_go_on(
    misfits_fleet: Fleet,
) -> None:
    worker = misfits_fleet.worker("--children", "1")
    push("rest", "sync", seconds=1)
    wait_until(lambda: status("rest") == "started", START)
    push("keep_the_loop", "async", seconds=10)
    behind = push_add("async")
    (found,) = wait_until(lambda: [w for w in workers() if w.blocked_since])
    assert (found.blocked_job_id, found.blocked_task) == (
        "keep_the_loop",
        "tests.misfits.keep_the_loop",
    )
    assert found.loop_lag > 1
    jobs = ("rest", "keep_the_loop", behind)
    wait_until(lambda: all(status(job_id) == "finished" for job_id in jobs))
    assert all(kinds(job_id) == ["pushed", "started", "finished"] for job_id in jobs)
    lines = [line.line for line in read_log("keep_the_loop")]
    assert lines[0].startswith(
        "WARNING tests.misfits.keep_the_loop (keep_the_loop) has blocked the"
    )
    assert lines[-1] == "    time.sleep(seconds)"
    assert sum("has blocked" in line for line in lines) == 1
    wait_until(lambda: not workers()[0].blocked_since)
    assert 9 < workers()[0].loop_lag_minute < 60
    assert worker.poll() is None


def workers() -> Sequence[WorkerInfo]:
    return read_snapshot().workers
