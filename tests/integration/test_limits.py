"""Jobs that take more than their share: each ends clearly, and harms no other."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tasks.broker import jobs as broker_jobs
from tasks.broker import keys
from tasks.broker.logs import tail_log
from tests import hogs
from tests.conftest import wait_until
from tests.engine import client, events, kinds, push_job, status
from tests.integration.conftest import START, Fleet, is_running

pytestmark = pytest.mark.integration

#: Seconds after its limit within which a job must be gone.
GONE_WITHIN = 5

ENDED = ("finished", "failed", "stopped")


def push_hog(name: str, **kwargs: Any) -> str:
    """Push a job of tests.hogs, named as its task."""
    hog = getattr(hogs, name).task
    timeout = {"timeout": hog.timeout}
    return push_job(name, task=hog.name, path=hog.path, kwargs=kwargs, **timeout)


def push_sample(job_id: str, name: str, kind: str = "sync", **kwargs: Any) -> str:
    path = f"tests.sample.{name}"
    return push_job(job_id, task=path, path=path, kind=kind, kwargs=kwargs)


def event(job_id: str, *wanted: str) -> Any:
    """Return the last event of a job that is of one of these kinds."""
    told = [one for one in events() if one["id"] == job_id and one.kind in wanted]
    return told[-1]


def ended(job_id: str) -> Any:
    wait_until(lambda: status(job_id) in ENDED, START)
    return event(job_id, *ENDED)


def seconds_past(name: str, noted: Path) -> float:
    """Return for how long a hog that noted something at its start ran past its timeout."""
    timeout = getattr(hogs, name).task.timeout
    return float(ended(name)["at"]) - noted.stat().st_mtime - timeout


def test_six_hogs_are_ended_in_time_and_nobody_else_is_harmed(
    hogs_fleet: Fleet, folder: Path
) -> None:
    stubborn = ("multiply", "ignore_signals", "spin")
    noted = {name: folder / name for name in ("hold", "talk", *stubborn)}
    go = folder / "go"
    worker = hogs_fleet.worker("--children", "8")
    push_sample("patient", "wait_for", path=str(go))
    push_sample("patient-async", "wait_for_async", "async", path=str(go))
    wait_until(lambda: status("patient") == "started", START)
    push_hog("hold", megabytes=2000, noted=str(noted["hold"]))
    for name in stubborn:
        push_hog(name, noted=str(noted[name]))
    push_hog("open_files")
    push_hog("talk", megabytes=1000, noted=str(noted["talk"]))
    ordinary = [push_sample(f"short-{number}", "add", a=number) for number in range(40)]

    for name, error in (("hold", "MemoryExceeded"), ("talk", "OutputExceeded")):
        assert ended(name)["error"] == error
        passed_at = float(noted[name].read_text())
        assert float(ended(name)["at"]) - passed_at < GONE_WITHIN
    assert "The log is cut here: it passed 5 MB." in tail_log("talk")[-1].line

    for name in stubborn:
        assert ended(name)["error"] == "JobTimedOut"
        assert seconds_past(name, noted[name]) < GONE_WITHIN
    pids = [int(line) for name in stubborn for line in noted[name].read_text().split()]
    assert len(pids) == 202
    wait_until(lambda: not any(map(is_running, pids)))

    assert ended("open_files").kind == "finished"

    go.touch()
    for job_id in ("patient", "patient-async", *ordinary):
        assert ended(job_id).kind == "finished"
        # One that found no child free for seconds went back to its queue, uncounted.
        assert client().hget(keys.job(job_id), "ty:attempts") == b"1"
        assert not {"failed", "retrying", "lost"} & set(kinds(job_id))
    assert worker.poll() is None


def test_the_worker_says_what_jobs_may_take(hogs_fleet: Fleet, folder: Path) -> None:
    limits = ("--job-memory", "100M", "--job-output", "5K", "--child-jobs", "1")
    hogs_fleet.worker("--children", "2", *limits)
    push_sample("loud", "print_without_end", megabytes=1)
    assert ended("loud")["error"] == "OutputExceeded"
    assert "more than 5 KB of output" in ended("loud")["message"]
    push_job(
        "leak",
        task="tests.hogs.hold_freely",
        path="tests.hogs.hold_freely",
        kwargs={"megabytes": 300},
    )
    assert ended("leak")["error"] == "MemoryExceeded"
    assert "its limit is 100 MB" in ended("leak")["message"]
    first, second = (push_sample(f"pid-{n}", "own_pid") for n in (1, 2))
    assert ended(first)["result"] != ended(second)["result"]


@pytest.mark.parametrize("task", ["start_process", "start_apart"])
def test_what_a_killed_job_started_is_gone_whatever_its_session(
    hogs_fleet: Fleet, folder: Path, task: str
) -> None:
    written = folder / "pid"
    hogs_fleet.worker("--children", "1")
    path = f"tests.{'hogs' if task == 'start_apart' else 'sample'}.{task}"
    push_job("a", task=path, path=path, kwargs={"path": str(written)})
    pid = int(wait_until(lambda: written.exists() and written.read_text(), START))
    assert is_running(pid)
    assert broker_jobs.request_stop("a")
    wait_until(lambda: status("a") == "stopped")
    wait_until(lambda: not is_running(pid))


def test_what_a_job_started_ends_with_a_worker_that_is_killed(
    hogs_fleet: Fleet, folder: Path
) -> None:
    """The kernel ends the child with it, and nobody the child's own processes."""
    written = folder / "pid"
    worker = hogs_fleet.worker("--children", "1")
    path = "tests.sample.start_process"
    push_job("a", task=path, path=path, kwargs={"path": str(written)})
    pid = int(wait_until(lambda: written.exists() and written.read_text(), START))
    worker.kill()
    began = time.monotonic()
    wait_until(lambda: not is_running(pid))
    assert time.monotonic() - began < 2
