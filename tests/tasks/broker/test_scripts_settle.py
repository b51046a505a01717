from __future__ import annotations

import pytest

from tasks.broker import keys
from tests.engine import (
    claim,
    claim_all,
    client,
    end_leases,
    events,
    kinds,
    push_job,
    run_next,
    settle,
    settle_all,
    status,
    take_back,
    waiting,
)


def test_a_finished_job_leaves_no_trace_of_its_run() -> None:
    push_job("a")
    job = claim()
    assert settle(job, result="3") == "finished"
    assert client().zcard(keys.lease("default")) == 0
    assert client().zcard(keys.wip("default")) == 0
    assert not client().exists(keys.execution("a", job.execution))
    assert client().hget(keys.job("a"), "ty:exec") == b""


def test_a_finished_job_is_kept_as_long_as_rq_would() -> None:
    push_job("a")
    run_next(result="3")
    assert 490 < client().ttl(keys.job("a")) <= 500
    assert 490 < client().ttl(keys.results("a")) <= 500
    assert client().zscore(keys.finished("default"), "a")


def test_a_failed_job_is_kept_for_a_week() -> None:
    push_job("a")
    run_next("fail", traceback="ValueError: no")
    assert client().ttl(keys.job("a")) > 6 * 24 * 3600
    assert client().zscore(keys.failed("default"), "a")
    assert client().hget(keys.job("a"), "exc_info")


def test_a_job_taken_from_its_worker_cannot_be_ended_by_it() -> None:
    push_job("a")
    late = claim(worker="w1")
    end_leases()
    take_back("default")
    again = claim(worker="w2")
    assert settle(late, result='"late"', worker="w1") == "superseded"
    assert status("a") == "started"
    assert settle(again, result='"good"', worker="w2") == "finished"
    assert kinds("a") == [
        "pushed",
        "started",
        "lost",
        "started",
        "superseded",
        "finished",
    ]


def test_the_late_end_is_told_with_its_execution() -> None:
    push_job("a")
    late = claim()
    end_leases()
    take_back("default")
    settle(late, "fail", facts={"error": "ValueError"})
    event = events()[-1]
    assert (event["kind"], event["state"]) == ("superseded", "queued")
    assert (event["exec"], event["error"]) == (late.execution, "ValueError")


def test_an_end_that_is_sent_twice_counts_once() -> None:
    push_job("a")
    job = claim()
    assert [settle(job), settle(job)] == ["finished", "superseded"]
    assert status("a") == "finished"


def test_a_job_that_redis_forgot_is_not_brought_back() -> None:
    push_job("a")
    job = claim()
    client().delete(keys.job("a"))
    assert settle(job) == "superseded"
    assert not client().exists(keys.job("a"))


def test_a_retry_waits_aside_and_keeps_the_count() -> None:
    push_job("a", retries=2, backoff=10)
    assert settle(claim(), "fail", retry_after=30) == "scheduled"
    assert client().hget(keys.job("a"), "retries_left") == b"1"
    assert client().zscore(keys.scheduled("default"), "a")
    assert client().zcard(keys.failed("default")) == 0
    assert events()[-1]["kind"] == "retrying"


def test_a_retry_without_a_wait_is_queued_at_once() -> None:
    push_job("a", retries=1)
    assert settle(claim(), "fail", retry_after=0) == "queued"
    assert waiting() == ["a"]


def test_a_job_without_retries_left_fails() -> None:
    push_job("a", retries=1)
    settle(claim(), "fail", retry_after=0)
    assert settle(claim(), "fail", retry_after=0) == "failed"


def test_a_stopped_job_is_not_retried() -> None:
    push_job("a", retries=1)
    assert settle(claim(), "stop") == "stopped"
    assert client().zscore(keys.failed("default"), "a")


def test_a_job_handed_back_is_next_in_line_and_its_attempt_is_not_counted() -> None:
    push_job("a")
    push_job("b")
    assert settle(claim(), "handback") == "queued"
    assert waiting() == ["a", "b"]
    assert claim().attempt == 1


def test_a_failed_job_with_retries_holds_its_children() -> None:
    push_job("a", retries=1)
    push_job("child", depends_on=["a"], allow_failure=True)
    settle(claim(), "fail", retry_after=0)
    assert status("child") == "deferred"
    settle(claim(), "fail")
    assert status("child") == "queued"


@pytest.mark.parametrize("verb", ["fail", "stop"])
def test_a_child_without_allow_failure_stays_behind(verb: str) -> None:
    push_job("a")
    push_job("child", depends_on=["a"])
    run_next(verb)
    assert status("child") == "deferred"
    assert client().smembers(keys.dependents("a")) == {b"child"}


def test_a_fan_in_waits_for_the_last_parent_however_often_one_ends() -> None:
    push_job("a")
    push_job("b")
    push_job("child", depends_on=["a", "b"], allow_failure=True)
    run_next("fail")
    client().hset(keys.job("a"), "status", "queued")
    client().lpush(keys.queue("default"), "a")
    run_next("finish")
    assert status("child") == "deferred"
    run_next()
    assert status("child") == "queued"


def test_many_children_are_released_by_and_by() -> None:
    from tasks.broker.scripts import invoke

    push_job("a")
    for number in range(120):
        push_job(f"child{number}", depends_on=["a"])
    run_next()
    assert len(waiting()) == 50
    assert client().smembers("taskyard:releases") == {b"a"}
    assert [invoke(client(), "release", (), (50,)) for _ in range(2)] == [1, 0]
    assert len(waiting()) == 120


def test_a_canceled_child_is_not_released() -> None:
    push_job("a")
    push_job("child", depends_on=["a"])
    client().hset(keys.job("child"), "status", "canceled")
    run_next()
    assert (status("child"), waiting()) == ("canceled", [])


def test_the_workers_counters_grow_as_rq_s_do() -> None:
    client().hset(keys.worker("w1"), "state", "busy")
    push_job("a")
    push_job("b")
    run_next()
    run_next("fail")
    fields = client().hgetall(keys.worker("w1"))
    assert fields[b"successful_job_count"] == fields[b"failed_job_count"] == b"1"
    assert float(fields[b"total_working_time"]) >= 0


def test_ends_of_many_jobs_do_not_hang_together() -> None:
    for job_id in ("a", "b"):
        push_job(job_id)
    first, second = claim_all().jobs
    client().delete(keys.results("a"))
    client().set(keys.results("a"), "of the wrong type")
    answers = settle_all([(first, "finish"), (second, "finish")])
    assert "WRONGTYPE" in answers[0]
    assert answers[1] == "finished"
    assert status("a") == "failed"
    assert client().zscore(keys.failed("default"), "a")


def test_a_result_ttl_of_nought_forgets_the_job_at_once() -> None:
    push_job("a")
    push_job("child", depends_on=["a"])
    client().hset(keys.job("a"), "result_ttl", 0)
    run_next()
    assert not client().exists(keys.job("a"))
    assert waiting() == ["child"]


def test_a_result_ttl_below_nought_keeps_it_for_ever() -> None:
    push_job("a")
    client().hset(keys.job("a"), "result_ttl", -1)
    run_next()
    assert client().ttl(keys.job("a")) == -1
    assert client().zscore(keys.finished("default"), "a") == float("inf")


def test_the_end_says_whether_the_job_logged() -> None:
    push_job("a")
    job = claim()
    settle(job, facts={"logged": 1})
    assert events()[-1]["logged"] == "1"


@pytest.mark.parametrize("broken", [keys.job("c"), keys.queue("mail")])
def test_a_child_that_is_garbage_does_not_undo_its_parent_s_end(broken: str) -> None:
    push_job("a")
    push_job("c", depends_on=["a"], queue="mail")
    client().delete(broken)
    client().set(broken, "garbage")
    assert settle(claim()) == "finished"
    assert kinds("a") == ["pushed", "started", "finished"]
    assert status("a") == "finished"
