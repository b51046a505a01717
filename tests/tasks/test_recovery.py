from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tasks import recovery
from tasks.broker import push as broker_push
from tasks.broker import upkeep
from tasks.models import Job
from tasks.recovery import push_unconfirmed, requeue_lost_jobs
from tasks.submission import submit
from tests.engine import (
    claim,
    client,
    end_leases,
    events,
    push_job,
    record_all,
    run_next,
    waiting,
)
from tests.sample import add, add_async

pytestmark = pytest.mark.django_db(transaction=True)


def submit_without_redis(monkeypatch: pytest.MonkeyPatch, **options: Any) -> str:
    """Submit a job while Redis is away, a minute ago."""

    def refuse(*_args: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(broker_push, "invoke_many", refuse)
        job_id = submit(options.pop("task", add), [1], **options).id
    Job.objects.filter(pk=job_id).update(
        created_at=timezone.now() - timedelta(minutes=1)
    )
    return job_id


def test_an_accepted_job_is_pushed_when_redis_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job_id = submit_without_redis(monkeypatch, tags=["x"])
    assert push_unconfirmed() == 1
    assert waiting() == [job_id]
    record_all()
    job = Job.objects.get()
    assert (job.state, job.tags) == ("queued", ["x"])
    assert push_unconfirmed() == 0


def test_a_late_push_is_dated_by_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler whose clock is fast must not put off the next try for that long."""
    submit_without_redis(monkeypatch)
    wrong = timezone.now() + timedelta(hours=1)
    monkeypatch.setattr(timezone, "now", lambda: wrong)
    push_unconfirmed()
    pushed_at = Job.objects.get().pushed_at
    assert pushed_at is not None
    assert pushed_at < wrong - timedelta(minutes=50)


def test_what_is_pushed_late_is_what_was_submitted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parent = submit(add, [1])
    record_all()
    options: dict[str, Any] = {"queue": "fast", "retries": 2, "depends_on": [parent]}
    late = submit_without_redis(monkeypatch, task=add_async, timeout=-1, **options)
    push_unconfirmed()
    fields = client().hgetall(f"rq:job:{late}")
    assert fields[b"origin"] == b"fast"
    assert fields[b"ty:kind"] == b"async"
    assert (fields[b"timeout"], fields[b"retries_left"]) == (b"-1", b"2")
    run_next()
    assert waiting("fast") == [late]


def test_a_late_push_that_arrived_is_not_made_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The recorder lags: the job has run already, but its row says created still."""
    job_id = submit_without_redis(monkeypatch)
    assert push_unconfirmed() == 1
    run_next()
    client().delete(f"rq:job:{job_id}")
    assert Job.objects.get().state == "created"
    assert push_unconfirmed() == 0
    assert waiting() == []


def test_nothing_is_pushed_whose_confirmation_may_wait_to_be_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    submit_without_redis(monkeypatch)
    accepted_at = Job.objects.get().created_at
    monkeypatch.setattr(
        upkeep, "recorded_until", lambda: accepted_at + timedelta(seconds=4)
    )
    assert push_unconfirmed() == 0
    monkeypatch.setattr(
        upkeep, "recorded_until", lambda: accepted_at + timedelta(seconds=6)
    )
    assert push_unconfirmed() == 1


def test_a_job_of_this_moment_is_left_to_its_submitter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    submit_without_redis(monkeypatch)
    Job.objects.update(created_at=timezone.now())
    assert push_unconfirmed() == 0


def test_a_canceled_job_is_not_pushed(monkeypatch: pytest.MonkeyPatch) -> None:
    submit_without_redis(monkeypatch)
    Job.objects.update(state="canceled")
    assert push_unconfirmed() == 0


def test_two_schedulers_push_a_job_once(monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = submit_without_redis(monkeypatch)
    push_unconfirmed()
    push_unconfirmed()
    assert waiting() == [job_id]
    assert len(events()) == 1


@pytest.fixture
def grown_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "server_is_young", lambda: False)


@pytest.mark.usefixtures("grown_up")
def test_a_dead_worker_s_jobs_are_queued_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    push_job("a")
    push_job("b", queue="mail")
    claim("default")
    claim("mail")
    end_leases("default")
    end_leases("mail")
    assert requeue_lost_jobs() == 2
    assert (waiting(), waiting("mail")) == (["a"], ["b"])
    assert "job a is queued: its worker w1 stopped" in caplog.text


def test_right_after_a_start_of_redis_nothing_is_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    info = {"uptime_in_seconds": 3}
    monkeypatch.setattr(client(), "info", lambda _section: info)
    push_job("a")
    claim()
    end_leases()
    assert requeue_lost_jobs() == 0
    info["uptime_in_seconds"] = 60
    assert recovery.requeue_lost_jobs() == 1
