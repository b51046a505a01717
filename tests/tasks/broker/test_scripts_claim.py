from __future__ import annotations

import pytest

from tasks.broker import keys
from tests.engine import (
    claim,
    claim_all,
    client,
    events,
    kinds,
    push_job,
    settle,
    status,
    waiting,
)


def claimed_ids(*queues: str, **options: int) -> list[str]:
    return [job.id for job in claim_all(*queues, **options).jobs]


def test_a_claim_writes_all_that_rq_writes_at_a_start() -> None:
    push_job("a")
    job = claim()
    fields = client().hgetall(keys.job("a"))
    assert fields[b"status"] == b"started"
    assert fields[b"worker_name"] == b"w1"
    assert fields[b"started_at"].endswith(b"Z")
    assert client().zscore(keys.wip("default"), job.member)
    assert client().hget(keys.execution("a", job.execution), "worker_name") == b"w1"
    assert client().zscore(keys.executions("a"), job.execution)
    assert client().hget(keys.worker("w1"), "current_job") == b"a"


def test_the_lease_ends_after_fifteen_seconds_of_redis_clock() -> None:
    push_job("a")
    job = claim()
    seconds, micros = client().time()
    left = client().zscore(keys.lease("default"), job.member) - seconds - micros / 1e6
    assert 14 < left <= 15


def test_earlier_queues_come_first() -> None:
    push_job("later", queue="low")
    push_job("first", queue="high")
    assert claimed_ids("high", "low") == ["first", "later"]


def test_no_more_jobs_are_taken_than_there_are_executions() -> None:
    for job_id in "abc":
        push_job(job_id)
    assert claimed_ids(most=2) == ["a", "b"]
    assert waiting() == ["c"]


def test_each_kind_has_a_budget_and_a_queue_without_a_slot_is_held() -> None:
    push_job("s1")
    push_job("s2")
    push_job("c1", kind="async", queue="other")
    answer = claim_all("default", "other", sync=1, coroutines=1)
    assert [job.id for job in answer.jobs] == ["s1", "c1"]
    assert answer.held == {"default": "sync"}
    assert waiting() == ["s2"]


def test_coroutines_do_not_use_up_the_slots_of_sync_jobs() -> None:
    for job_id in ("c1", "c2"):
        push_job(job_id, kind="async")
    push_job("s1")
    assert claimed_ids(sync=1, coroutines=2) == ["c1", "c2", "s1"]


def test_a_job_is_in_no_two_hands() -> None:
    push_job("a")
    claim(worker="w1")
    assert claimed_ids() == []


def test_a_second_entry_of_a_running_job_is_dropped() -> None:
    push_job("a")
    claim()
    client().rpush(keys.queue("default"), "a")
    push_job("b")
    assert claimed_ids() == ["b"]
    assert waiting() == []


def test_a_suspended_fleet_takes_nothing() -> None:
    push_job("a")
    client().set(keys.SUSPENDED, 1)
    answer = claim_all()
    assert (answer.suspended, answer.jobs, waiting()) == (True, [], ["a"])


def test_an_id_whose_job_is_gone_is_skipped() -> None:
    client().rpush(keys.queue("default"), "gone")
    push_job("a")
    assert claimed_ids() == ["a"]


def test_a_canceled_job_that_a_stock_client_left_in_the_list_is_skipped() -> None:
    push_job("a")
    client().hset(keys.job("a"), "status", "canceled")
    assert claimed_ids() == []
    assert status("a") == "canceled"


def test_a_key_that_is_no_job_is_skipped_and_the_batch_lives() -> None:
    client().set(keys.job("text"), "x")
    client().rpush(keys.queue("default"), "text")
    push_job("a")
    assert claimed_ids() == ["a"]


@pytest.mark.parametrize(
    "broken",
    [
        lambda: client().hset(keys.job("bad"), "ty:attempts", "many"),
        lambda: client().hset(keys.job("bad"), "ty:seq", "many"),
        lambda: client().set(keys.executions("bad"), "x"),
    ],
    ids=["attempts", "seq", "executions"],
)
def test_a_broken_job_fails_alone_with_its_reason(broken) -> None:  # type: ignore[no-untyped-def]
    push_job("bad")
    push_job("good")
    broken()
    assert claimed_ids() == ["good"]
    assert status("bad") == "failed"
    assert client().zscore(keys.failed("default"), "bad")
    assert [lease.split(b":")[0] for lease in leases()] == [b"good"]
    assert [
        entry.split(b":")[0] for entry in client().zrange(keys.wip("default"), 0, -1)
    ] == [b"good"]


def leases() -> list[bytes]:
    return list(client().zrange(keys.lease("default"), 0, -1))


def test_the_reason_of_a_broken_job_is_in_its_event() -> None:
    push_job("bad")
    client().set(keys.executions("bad"), "x")
    claim_all()
    last = events()[-1]
    assert (last["kind"], last["error"]) == ("failed", "BrokenJob")
    assert "WRONGTYPE" in last["message"]


def test_a_queue_that_is_no_list_does_not_hold_up_the_others() -> None:
    client().set(keys.queue("bad"), "x")
    push_job("a")
    assert claimed_ids("bad", "default") == ["a"]


def test_each_start_counts_an_attempt() -> None:
    push_job("a")
    first = claim()
    settle(first, "fail", retry_after=0)
    client().hset(keys.job("a"), mapping={"retries_left": 1, "status": "queued"})
    assert first.attempt == 1
    assert kinds("a")[:2] == ["pushed", "started"]


def test_the_event_of_a_job_that_the_ledger_knows_is_short() -> None:
    push_job("a")
    claim()
    assert not [name for name in events()[-1].fields if name.startswith(b"rq.")]


def test_a_stock_job_brings_its_row_along() -> None:
    fields = {"origin": "default", "status": "queued", "description": "f()"}
    client().hset(keys.job("stock"), mapping=fields)
    client().rpush(keys.queue("default"), "stock")
    claim()
    (event,) = events()
    assert (event["kind"], event["rq.description"]) == ("started", "f()")


def test_a_job_that_runs_does_not_expire() -> None:
    push_job("a")
    client().expire(keys.job("a"), 10)
    claim()
    assert client().ttl(keys.job("a")) == -1
