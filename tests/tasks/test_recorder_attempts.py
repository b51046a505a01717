"""What one event after the other leaves in the rows of a job and its attempts."""

from __future__ import annotations

import pytest

from tasks.broker import keys
from tasks.models import Attempt, Job
from tests.engine import (
    claim,
    client,
    end_leases,
    events,
    push_job,
    record_all,
    run_next,
    settle,
    take_back,
    waiting,
)

pytestmark = pytest.mark.django_db


def test_a_handed_back_attempt_does_not_count() -> None:
    push_job("a")
    settle(claim(), "handback")
    record_all()
    assert Job.objects.get().attempt_count == 0
    run_next()
    record_all()
    assert Job.objects.get().attempt_count == 1


def test_the_late_end_of_a_lost_attempt_is_kept_and_changes_nothing() -> None:
    push_job("a")
    late = claim()
    end_leases()
    take_back("default")
    record_all()
    settle(late, "fail", facts={"error": "ValueError", "traceback": "late"})
    record_all()
    attempt = Attempt.objects.get()
    assert (attempt.state, attempt.superseded) == ("lost", True)
    assert attempt.traceback == "late"
    assert Job.objects.get().state == "queued"


@pytest.mark.parametrize(
    ("wish", "state"), [("requeue", "queued"), ("fail", "failed"), ("hold", "lost")]
)
def test_a_loss_is_a_lost_attempt_of_a_job_in_any_state(wish: str, state: str) -> None:
    push_job("a", on_worker_lost=wish)
    claim()
    end_leases()
    take_back("default")
    record_all()
    attempt, job = Attempt.objects.get(), Job.objects.get()
    assert (attempt.state, attempt.error) == ("lost", "WorkerLost")
    assert (job.state, job.error, job.attempt_count) == (state, "WorkerLost", 1)
    assert bool(job.ended_at) == (state != "queued")


def test_a_job_whose_third_worker_died_is_quarantined() -> None:
    push_job("a")
    for _number in range(3):
        claim()
        end_leases()
        take_back("default")
    record_all()
    assert Job.objects.get().state == "quarantined"
    assert {attempt.state for attempt in Attempt.objects.all()} == {"lost"}


def test_a_suspect_that_died_alone_is_quarantined() -> None:
    push_job("a")
    told = {"error": "ProcessDied", "message": "signal 9", "traceback": "gone"}
    settle(claim(), "quarantine", facts=told)
    record_all()
    attempt, job = Attempt.objects.get(), Job.objects.get()
    assert (attempt.state, attempt.traceback) == ("quarantined", "gone")
    assert (job.state, job.message) == ("quarantined", "signal 9")
    assert job.started_at
    assert job.ended_at


def test_an_end_that_was_sent_twice_stands() -> None:
    push_job("a")
    job = claim()
    settle(job)
    settle(job)
    first = events()[:2]
    record_all(events()[2:][::-1])
    record_all(first)
    attempt = Attempt.objects.get()
    assert (attempt.state, attempt.superseded) == ("finished", False)


def test_a_new_start_clears_what_the_last_attempt_left() -> None:
    push_job("a", retries=1)
    run_next("fail", retry_after=0, facts={"error": "ValueError", "message": "no"})
    record_all()
    assert Job.objects.get().error == "ValueError"
    claim()
    record_all()
    job = Job.objects.get()
    assert (job.error, job.message, job.ended_at) == ("", "", None)


def test_a_retry_says_when_it_is_due() -> None:
    push_job("a", retries=1)
    run_next("fail", retry_after=60)
    record_all()
    job = Job.objects.get()
    assert (job.state, job.due_at is not None) == ("scheduled", True)


def test_the_last_progress_is_kept() -> None:
    push_job("a")
    job = claim()
    client().hset(keys.job("a"), "ty:progress", '{"done": 3, "total": 4}')
    settle(job)
    record_all()
    assert Job.objects.get().progress == {"done": 3, "total": 4}


def test_the_log_goes_into_the_attempt_at_its_end() -> None:
    push_job("a")
    job = claim()
    line = {"exec": job.execution, "at": "0", "line": "hello"}
    client().xadd(keys.log("a"), line)
    settle(job, facts={"logged": 1})
    record_all()
    assert Attempt.objects.get().log == "00:00:00.000 hello\n"


def test_a_cut_result_is_said_to_be_cut() -> None:
    push_job("a")
    run_next(result='"xyz"', facts={"result": '"x', "result_size": 5})
    record_all()
    assert Job.objects.get().result_cut


def test_text_that_databases_refuse_is_kept_without_it() -> None:
    push_job("a")
    run_next(
        "fail", facts={"error": "E" * 300, "message": "a\x00b", "traceback": "\x00"}
    )
    record_all()
    job = Job.objects.get()
    assert (len(job.error), job.message) == (200, "ab")


def test_retry_after_redis_forgot_goes_on_counting() -> None:
    push_job("a")
    run_next("fail")
    record_all()
    before = Job.objects.get()
    client().flushdb()
    push_job("a", seq=before.seq, attempts=before.attempt_count)
    record_all()
    after = Job.objects.get()
    assert (after.state, after.seq) == ("queued", before.seq + 1)
    assert claim().attempt == 2
    assert waiting() == []
