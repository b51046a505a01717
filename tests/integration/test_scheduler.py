"""The scheduler's two processes: neither lives without the other."""

from __future__ import annotations

import os
import signal

import pytest

from tasks.broker import keys
from tasks.worker.family import family_of
from tests.conftest import wait_until
from tests.engine import client
from tests.integration.conftest import START, Fleet, Process

pytestmark = pytest.mark.integration


@pytest.fixture
def scheduler(fleet: Fleet) -> Process:
    made = fleet.manage("scheduler")
    wait_until(lambda: client().hlen(keys.LIVENESS) == 1, START)
    return made


def mover_of(scheduler: Process) -> int:
    [_itself, mover] = family_of(scheduler.pid)
    return mover


def test_the_end_of_what_moves_jobs_ends_it_and_is_no_success(
    scheduler: Process,
) -> None:
    os.kill(mover_of(scheduler), signal.SIGKILL)
    assert scheduler.wait(START) == 1


@pytest.mark.parametrize("state", ["runs", "is stopped"])
def test_what_moves_jobs_does_not_outlive_it(scheduler: Process, state: str) -> None:
    mover = mover_of(scheduler)
    if state == "is stopped":
        os.kill(mover, signal.SIGSTOP)
    scheduler.kill()
    scheduler.wait()
    wait_until(lambda: not os.path.exists(f"/proc/{mover}"))


def test_it_ends_well_when_told_to(scheduler: Process) -> None:
    mover = mover_of(scheduler)
    scheduler.terminate()
    assert scheduler.wait(START) == 0
    assert not os.path.exists(f"/proc/{mover}")
