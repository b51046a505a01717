"""The rows of workers that were lost, and what a supervisor reports."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError

from tasks import recovery
from tasks.broker import keys, upkeep
from tasks.models import Attempt, Job, Recovery
from tasks.recovery import note_lost_workers, report_death, requeue_lost_jobs
from tests.engine import claim, client, end_leases, push_job, record_all, waiting
from tests.tasks.broker.test_losses import register

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _grown_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "server_is_young", lambda: False)


def be_silent(name: str = "w1", seconds: float = 60) -> None:
    """Make a worker's last beat older."""
    seen = client().time()[0] - seconds
    client().hset(keys.worker(name), "ty:seen", f"{seen:.6f}")


def test_a_silent_worker_is_written_down_once() -> None:
    register("w1", "default", "mail", **{"ty:concurrency": 9, "ty:running": 4})
    be_silent()
    note_lost_workers()
    note_lost_workers()
    row = Recovery.objects.get()
    assert (row.worker, row.host, row.pid) == ("w1", "vm-3", 7)
    assert (row.queues, row.slots, row.running) == (["default", "mail"], 9, 4)
    assert row.noticed_by == "lease"
    assert row.last_seen_at
    assert row.noticed_at - row.last_seen_at > timedelta(seconds=55)


def test_a_worker_that_missed_a_beat_or_two_is_not() -> None:
    register()
    be_silent(seconds=18)
    note_lost_workers()
    assert not Recovery.objects.exists()


def test_a_worker_that_comes_back_is_noted_and_may_be_lost_again() -> None:
    register()
    be_silent()
    note_lost_workers()
    register()
    note_lost_workers()
    assert Recovery.objects.get().returned_at
    assert not Recovery.objects.standing().exists()
    be_silent()
    note_lost_workers()
    assert Recovery.objects.standing().get().worker == "w1"


def test_a_stock_worker_is_left_to_rq() -> None:
    register(version="2.12.0")
    be_silent(seconds=400)
    note_lost_workers()
    assert not Recovery.objects.exists()


def test_a_lost_job_brings_the_row_of_its_worker_at_once() -> None:
    register()
    push_job("a")
    claim()
    be_silent(seconds=15)
    end_leases()
    assert requeue_lost_jobs() == 1
    assert Recovery.objects.get().last_seen_at


def test_a_worker_of_which_redis_knows_nothing_has_a_row_all_the_same() -> None:
    push_job("a")
    claim(worker="w9")
    end_leases()
    requeue_lost_jobs()
    row = Recovery.objects.get()
    assert (row.worker, row.last_seen_at) == ("w9", None)


def test_a_worker_that_lives_lost_a_lease_only() -> None:
    register()
    push_job("a")
    claim()
    end_leases()
    assert requeue_lost_jobs() == 1
    assert not Recovery.objects.exists()


def test_what_the_worker_held_is_told_by_attempts_and_jobs() -> None:
    register()
    push_job("a")
    push_job("b", on_worker_lost="hold")
    claim()
    claim()
    be_silent()
    end_leases()
    requeue_lost_jobs()
    record_all()
    lost = Attempt.objects.filter(worker="w1", state="lost")
    states = Job.objects.in_bulk(lost.values_list("job_key", flat=True))
    assert {job_id: job.state for job_id, job in states.items()} == {
        "a": "queued",
        "b": "lost",
    }


def test_a_reported_death_puts_the_jobs_back_at_once() -> None:
    register("w1", "default", "mail", **{"ty:start": "s1"})
    register("w2", **{"ty:start": "s2"})
    for queue in ("default", "mail"):
        push_job(f"a-{queue}", queue=queue)
        claim(queue, worker="w1")
    push_job("b")
    claim(worker="w2")
    assert report_death("s1") == 2
    assert (waiting(), waiting("mail")) == (["a-default"], ["a-mail"])
    assert client().hget(keys.job("a-mail"), "ty:deaths")
    row = Recovery.objects.get()
    assert (row.worker, row.noticed_by) == ("w1", "supervisor")
    note_lost_workers()
    assert Recovery.objects.standing().count() == 1


def test_right_after_a_start_of_redis_the_reported_dead_are_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upkeep, "server_is_young", lambda: True)
    push_job("a")
    push_job("b")
    dead = claim()
    claim(worker="w2")
    end_leases()
    client().zadd(keys.lease("default"), {dead.member: 0})
    assert requeue_lost_jobs() == 1
    assert waiting() == ["a"]


@pytest.mark.parametrize("start", ["s2", ""])
def test_another_process_is_not_taken_for_the_worker(start: str) -> None:
    """Not even one of the same number on a host of the same name."""
    register(**{"ty:start": start})
    push_job("a")
    claim()
    assert report_death("s1") == 0
    assert report_death("") == 0
    assert waiting() == []


def test_the_jobs_go_back_though_the_ledger_is_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_args: object) -> None:
        raise OperationalError("away")

    register(**{"ty:start": "s1"})
    push_job("a")
    claim()
    monkeypatch.setattr(recovery, "_note_loss", refuse)
    assert report_death("s1") == 1
    assert "not written down" in caplog.text
