"""The process that moves due jobs: at work, ended, stopped by a signal."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tasks import moving
from tasks.moving import MoverProcess
from tests.conftest import wait_until
from tests.engine import make_due, push_job, waiting

pytestmark = pytest.mark.django_db


@pytest.fixture
def mover() -> Iterator[MoverProcess]:
    made = MoverProcess()
    made.start()
    see_a_job_move("first")
    yield made
    made.stop()


def see_a_job_move(job_id: str) -> None:
    push_job(job_id, due_at=datetime.now(UTC) + timedelta(hours=1))
    make_due(job_id)
    wait_until(lambda: job_id in waiting())


def send(number: signal.Signals) -> None:
    [process] = multiprocessing.active_children()
    assert process.pid
    os.kill(process.pid, number)


def test_it_moves_due_jobs_until_it_is_to_end() -> None:
    made = MoverProcess()
    made.start()
    see_a_job_move("a")
    assert not made.has_ended
    assert made.stop() == 0
    assert made.has_ended


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_its_whole_group_is_for_its_parent(
    mover: MoverProcess, number: signal.Signals
) -> None:
    send(number)
    see_a_job_move("second")
    assert not mover.has_ended


def test_it_can_be_killed(mover: MoverProcess) -> None:
    send(signal.SIGKILL)
    wait_until(lambda: mover.has_ended)


def test_one_that_a_signal_stops_is_not_well_and_ends_all_the_same(
    mover: MoverProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mover.is_well
    monkeypatch.setattr(moving, "WELL_WITHIN", 0.5)
    monkeypatch.setattr(moving, "LAST_WORDS", 0.1)
    send(signal.SIGSTOP)
    wait_until(lambda: not mover.is_well)
