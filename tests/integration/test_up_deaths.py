"""What `manage.py up` does with the jobs of a worker that it sees die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tasks.broker import keys
from tasks.conf import PROJECT_ROOT
from tests.conftest import wait_until
from tests.integration.test_up import PATIENCE, Up, environment
from tests.ledgers import own_ledger

pytestmark = pytest.mark.integration

TASK = "tests.sample.wait_for"


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    with own_ledger(tmp_path / "data") as ledger:
        started = Up(ledger, "--workers", "2", tasks="tests.sample")
        yield started
        started.process.kill()
        started.process.wait()
        wait_until(lambda: not started.children())


def submit(up: Up, path: Path) -> None:
    """Submit job `a`, that runs until `path` exists."""
    command = [sys.executable, "manage.py", "submit", TASK, f"path={path}", "--id", "a"]
    settings = environment(TASKYARD_TASKS="tests.sample", **up.ledger.environment)
    subprocess.run(
        command, cwd=PROJECT_ROOT, env=settings, capture_output=True, check=True
    )


def test_a_dead_worker_s_job_starts_elsewhere_at_once(up: Up, tmp_path: Path) -> None:
    """It is taken back by who saw the death, not by a sweep when its lease has ended."""
    up.wait_until_said("Stop it with Ctrl-C.")
    go = tmp_path / "go"
    submit(up, go)
    client = redis.Redis.from_url((up.data / "redis.url").read_text().strip())

    def holder() -> bytes | None:
        state, worker = client.hmget(keys.job("a"), "status", "worker_name")
        return worker if state == b"started" else None

    first = wait_until(holder, PATIENCE)
    pid = int(client.hget(keys.worker(first.decode()), "pid") or 0)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: holder() not in (None, first), PATIENCE)
    query = "SELECT worker, noticed_by FROM tasks_recovery"
    assert up.ledger.rows(query) == [(first.decode(), "supervisor")]
    go.touch()
    ended = "SELECT state, attempt_count FROM tasks_job"
    wait_until(lambda: up.ledger.rows(ended) == [("finished", 2)], PATIENCE)
