from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection

from tasks import recovery
from tasks.broker import keys, upkeep
from tasks.broker.mover import LOOK_EVERY, Mover
from tasks.errors import BrokerUnavailable
from tasks.models import TaskRecord
from tasks.moving import MoverProcess
from tasks.scheduler import Chore, Scheduler
from tests.conftest import wait_until
from tests.engine import client, make_due, push_job, run_next, waiting

pytestmark = pytest.mark.django_db


def delay(job_id: str) -> None:
    push_job(job_id, due_at=datetime.now(UTC) + timedelta(hours=1))


def test_a_chore_is_done_when_it_is_due_and_then_not_for_a_while() -> None:
    done: list[int] = []
    chore = Chore(lambda: done.append(1), every=2)
    for now in (10.0, 11.9, 12.0, 13.0):
        chore.do_if_due(now)
    assert len(done) == 2


def test_a_chore_that_failed_is_tried_at_the_next_look() -> None:
    calls: list[float] = []

    def fail() -> None:
        calls.append(1)
        raise BrokerUnavailable("gone")

    chore = Chore(fail, every=60)
    for now in (10.0, 10.1):
        with pytest.raises(BrokerUnavailable):
            chore.do_if_due(now)
    assert len(calls) == 2


def test_a_step_moves_due_jobs() -> None:
    delay("a")
    make_due("a")
    Scheduler().step()
    assert waiting() == ["a"]


def test_with_nothing_due_it_looks_again_soon() -> None:
    assert Scheduler(clock=lambda: 1.0).step() == LOOK_EVERY


def test_it_moves_due_jobs_beside_its_chores(monkeypatch: pytest.MonkeyPatch) -> None:
    """One chore does not end before the job has moved."""
    delay("a")
    make_due("a")
    stopping = threading.Event()

    def be_slow() -> None:
        wait_until(lambda: waiting() == ["a"])
        stopping.set()

    monkeypatch.setattr(recovery, "requeue_lost_jobs", be_slow)
    Scheduler(stopping=stopping).run()
    assert stopping.is_set()


def test_a_mover_that_breaks_ends_the_scheduler(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The supervisor starts another; one without a mover would look well."""

    def break_down(*_asked: object) -> float:
        raise RuntimeError("a defect")

    monkeypatch.setattr(Mover, "step", break_down)
    assert not Scheduler().run()


def test_it_is_not_well_while_nothing_moves(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []
    stopping = threading.Event()
    monkeypatch.setattr(MoverProcess, "is_well", False)
    monkeypatch.setattr(upkeep, "note_liveness", told.append)
    monkeypatch.setattr(recovery, "requeue_lost_jobs", stopping.set)
    assert Scheduler(stopping=stopping).run()
    assert told == []
    assert "moves due jobs does not answer" in caplog.text


def test_retries_of_every_queue_are_moved() -> None:
    push_job("a", queue="mail", retries=1)
    run_next("fail", "mail", retry_after=60)
    make_due("a", keys.scheduled("mail"))
    Scheduler().step()
    assert waiting("mail") == ["a"]


@pytest.mark.django_db(transaction=True)  # an outage closes the connection
def test_an_outage_is_logged_once_and_waited_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> list[str]:
        raise BrokerUnavailable("gone")

    scheduler = Scheduler()
    with monkeypatch.context() as patched:
        patched.setattr(upkeep, "queue_names", refuse)
        assert [scheduler.step() for _ in range(3)] == [0.5, 0.5, 0.5]
    delay("a")
    make_due("a")
    scheduler.step()
    assert caplog.text.count("the scheduler waits") == 1
    assert waiting() == ["a"]


def test_what_redis_has_forgotten_leaves_the_registries() -> None:
    push_job("a")
    run_next()
    client().zadd(keys.finished("default"), {"a": 1})
    client().sadd(keys.WORKERS, keys.worker("gone"))
    client().sadd(keys.queue_workers("default"), keys.worker("gone"))
    Scheduler().step()
    assert client().zcard(keys.finished("default")) == 0
    assert client().scard(keys.WORKERS) == 0
    assert client().scard(keys.queue_workers("default")) == 0


def test_a_live_worker_stays_in_the_registries() -> None:
    client().hset(keys.worker("w1"), "state", "idle")
    client().sadd(keys.WORKERS, keys.worker("w1"))
    Scheduler().step()
    assert client().scard(keys.WORKERS) == 1


def test_two_schedulers_move_a_job_once() -> None:
    delay("a")
    make_due("a")
    for _ in range(2):
        Scheduler().step()
    assert waiting() == ["a"]


def test_it_writes_down_the_tasks_that_it_knows() -> None:
    Scheduler().step()
    assert TaskRecord.objects.filter(pk="greet", queue="emails").exists()


def test_lost_jobs_and_late_pushes_are_its_chores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    monkeypatch.setattr(recovery, "requeue_lost_jobs", lambda: done.append("lost"))
    monkeypatch.setattr(recovery, "push_unconfirmed", lambda: done.append("late"))
    Scheduler().step()
    assert done == ["lost", "late"]


def test_it_says_that_it_is_well_and_signs_off() -> None:
    scheduler = Scheduler()
    scheduler.step()
    assert [name.split(b":")[0] for name in client().hkeys(keys.LIVENESS)] == [
        b"scheduler"
    ]
    scheduler.stopping.set()
    scheduler.run()
    assert client().hkeys(keys.LIVENESS) == []


@pytest.mark.django_db(transaction=True)  # an outage closes the connection
def test_delayed_jobs_move_while_the_ledger_is_away() -> None:
    def refuse(*_asked: Any) -> None:
        raise OperationalError("gone")

    delay("a")
    make_due("a")
    with connection.execute_wrapper(refuse):
        assert Scheduler().step() == 0.5
    assert waiting() == ["a"]


def test_a_chore_that_always_fails_keeps_no_other_from_being_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> int:
        raise BrokerUnavailable("WRONGTYPE")

    monkeypatch.setattr(recovery, "requeue_lost_jobs", refuse)
    assert Scheduler().step() == 0.5
    assert TaskRecord.objects.filter(pk="greet").exists()
