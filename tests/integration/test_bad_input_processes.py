"""Functions that fork or leak: their jobs end clearly, and the worker lives."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.broker import jobs as broker_jobs
from tasks.broker import keys
from tasks.broker.snapshot import read_log, read_progress
from tests.conftest import wait_until
from tests.engine import client, events, push_job, status
from tests.integration.conftest import START, Fleet, is_running
from tests.integration.misfits import expect_work, last, push, returned

pytestmark = pytest.mark.integration


def test_a_forked_copy_that_forgets_to_leave_does_not_answer(
    misfits_fleet: Fleet,
) -> None:
    push("fork_and_return", "sync")
    callback = {"success_callback_name": "tests.misfits.note_result"}
    client().hset(keys.job("fork_and_return"), mapping=callback)
    worker = misfits_fleet.worker("--children", "1")
    wait_until(lambda: status("fork_and_return") == "finished", START)
    assert returned("fork_and_return") == "original"
    expect_work(worker)
    assert client().lrange("results", 0, -1) == [b"original"]
    ends = [event for event in events() if event["kind"] == "finished"]
    assert [event["result"] for event in ends] == ['"original"', "3", "3"]


def test_a_process_that_a_task_forked_may_outlive_its_job_but_not_speak(
    misfits_fleet: Fleet, folder: Path
) -> None:
    worker = misfits_fleet.worker("--children", "1")
    go, end = folder / "go", folder / "end"
    push("fork_a_waiter", "sync", path=str(go))
    wait_until(lambda: status("fork_a_waiter") == "finished", START)
    assert is_running(returned("fork_a_waiter"))
    path, kwargs = "tests.sample.wait_for", {"path": str(end)}
    push_job("next", task=path, path=path, kwargs=kwargs)
    wait_until(lambda: read_progress(["next"]), START)
    go.touch()
    wait_until(lambda: not go.exists())
    end.touch()
    wait_until(lambda: status("next") == "finished")
    assert read_log("next") == []
    assert read_progress(["next"])["next"].text == "waiting"
    expect_work(worker)


def test_a_crash_is_seen_at_once_though_a_forked_process_lives(
    misfits_fleet: Fleet, folder: Path
) -> None:
    worker = misfits_fleet.worker("--children", "1")
    push("fork_a_waiter", "sync", path=str(folder / "never"), crash=True)
    wait_until(lambda: status("fork_a_waiter") == "failed")
    assert "signal 9" in last("fork_a_waiter")["message"]
    expect_work(worker)


def test_stop_ends_what_a_task_forked_twice(misfits_fleet: Fleet, folder: Path) -> None:
    worker = misfits_fleet.worker("--children", "1")
    written = folder / "pid"
    push("fork_and_wait", "sync", path=str(written))
    pid = int(wait_until(lambda: written.exists() and written.read_text(), START))
    assert broker_jobs.request_stop("fork_and_wait")
    wait_until(lambda: status("fork_and_wait") == "stopped")
    wait_until(lambda: not is_running(pid))
    expect_work(worker)


def test_a_task_may_share_its_work_among_processes(misfits_fleet: Fleet) -> None:
    worker = misfits_fleet.worker("--children", "1")
    push("share_among_processes", "sync")
    wait_until(lambda: status("share_among_processes") == "finished", START)
    assert returned("share_among_processes") == 285
    expect_work(worker)


def test_a_child_that_leaks_is_replaced(misfits_fleet: Fleet) -> None:
    worker = misfits_fleet.worker("--children", "1", "--child-memory", "200")
    path = "tests.misfits.leak"
    for number in range(3):
        push_job(f"leak-{number}", task=path, path=path, kwargs={"megabytes": 150})
    ids = [f"leak-{number}" for number in range(3)]
    wait_until(lambda: all(status(job_id) == "finished" for job_id in ids), START)
    assert len({returned(job_id) for job_id in ids}) > 1
    wait_until(lambda: not is_running(returned("leak-0")))
    expect_work(worker)
