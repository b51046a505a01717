from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.broker import keys
from tasks.broker import push as broker_push
from tasks.broker.push import push, score_of
from tasks.broker.wire import Envelope
from tests.engine import (
    client,
    end_leases,
    events,
    kinds,
    make_due,
    move,
    push_job,
    run_next,
    status,
    waiting,
)


def job(job_id: str, **fields: Any) -> Envelope:
    path = "tests.sample.add"
    return Envelope(
        **{"id": job_id, "task": path, "path": path, "queue": "default"} | fields
    )


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(minutes=5)


def test_a_job_is_written_and_queued_in_one_call() -> None:
    job_id = push_job(queue="emails")
    assert waiting("emails") == [job_id]
    assert status(job_id) == "queued"
    assert client().smembers(keys.QUEUES) == {b"rq:queue:emails"}


def test_jobs_run_in_the_order_they_came_unless_one_goes_to_the_front() -> None:
    for job_id in ("a", "b"):
        push_job(job_id)
    push_job("c", at_front=True)
    assert waiting() == ["c", "a", "b"]


def test_a_push_that_comes_again_changes_nothing() -> None:
    push_job("a")
    run_next()
    before = len(events())
    push_job("a", queue="other", with_row=False)
    assert (status("a"), waiting(), waiting("other")) == ("finished", [], [])
    assert len(events()) == before


def test_the_event_carries_the_row_where_the_ledger_has_none() -> None:
    push_job("a", tags=["x"])
    (event,) = events()
    assert (event["kind"], event["state"], event["seq"]) == ("pushed", "queued", "1")
    assert '"tags": ["x"]' in event["row"]


def test_a_delayed_job_waits_aside_with_its_moment_in_unix_seconds() -> None:
    due = soon()
    push_job("a", due_at=due)
    score = client().zscore(keys.DELAYED, "a")
    assert (status("a"), waiting()) == ("scheduled", [])
    assert score == float(score_of(due))


def test_a_moment_that_is_over_is_no_reason_to_wait() -> None:
    push_job("a", due_at=datetime.now(UTC) - timedelta(seconds=1))
    assert waiting() == ["a"]


def test_a_child_waits_for_all_of_its_parents() -> None:
    for parent in ("a", "b"):
        push_job(parent)
    push_job("child", depends_on=["a", "b"])
    run_next()
    assert status("child") == "deferred"
    assert client().zscore(keys.deferred("default"), "child")
    run_next()
    assert waiting() == ["child"]
    assert client().zscore(keys.deferred("default"), "child") is None


def test_a_chain_runs_in_its_order() -> None:
    push_job("a")
    push_job("b", depends_on=["a"])
    push_job("c", depends_on=["b"])
    assert [run_next(), run_next(), run_next()] == ["a", "b", "c"]


def test_a_parent_that_finished_before_is_no_reason_to_wait() -> None:
    push_job("a")
    run_next()
    push_job("child", depends_on=["a"])
    assert waiting() == ["child"]


def test_the_ledger_answers_for_a_parent_that_redis_forgot() -> None:
    push_job("met", depends_on=["gone"], states={"gone": "finished"})
    push_job("unmet", depends_on=["gone"], states={"gone": "failed"})
    assert waiting() == ["met"]
    assert status("unmet") == "deferred"


def test_a_failed_parent_holds_its_child_until_it_is_retried() -> None:
    push_job("a")
    run_next("fail")
    push_job("child", depends_on=["a"])
    assert status("child") == "deferred"


def test_allow_failure_lets_a_child_follow_a_failed_parent() -> None:
    push_job("a")
    push_job("before", depends_on=["a"], allow_failure=True)
    run_next("fail")
    push_job("after", depends_on=["a"], allow_failure=True)
    assert waiting() == ["before", "after"]


def test_with_a_delay_and_a_parent_a_job_waits_for_both() -> None:
    push_job("a")
    push_job("child", depends_on=["a"], due_at=soon())
    assert (status("child"), client().zcard(keys.DELAYED)) == ("deferred", 0)
    run_next()
    assert status("child") == "scheduled"
    make_due("child")
    move()
    assert waiting() == ["child"]
    assert kinds("child") == ["pushed", "released", "released"]


def test_a_child_keeps_its_place_at_the_front_when_it_is_released() -> None:
    push_job("parent")
    push_job("child", depends_on=["parent"], at_front=True)
    push_job("other")
    run_next()
    assert waiting() == ["child", "other"]


def test_a_lost_parent_releases_nobody() -> None:
    push_job("a")
    push_job("child", depends_on=["a"], allow_failure=True)
    from tests.engine import claim, take_back

    claim()
    end_leases()
    take_back("default")
    assert status("child") == "deferred"


def test_many_jobs_of_one_kind_go_in_few_calls_and_keep_their_order() -> None:
    envelopes = [job(str(number), args=[number]) for number in range(120)]
    found = len(list(broker_push._calls(envelopes, {}, with_row=False)))
    assert found == -(-120 // broker_push.JOBS_AT_ONCE)
    assert push(envelopes) == ["queued"] * 120
    assert waiting() == [envelope.id for envelope in envelopes]
    assert [event.id for event in events()] == waiting()


def test_jobs_of_several_kinds_may_be_pushed_together() -> None:
    push_job("parent")
    envelopes = [
        job("a"),
        job("b", queue="other", retries=1),
        job("c", due_at=soon()),
        job("d", depends_on=["parent"]),
        job("e", at_front=True),
    ]
    assert push(envelopes) == ["queued", "queued", "scheduled", "deferred", "queued"]
    assert (waiting(), waiting("other")) == (["e", "parent", "a"], ["b"])
    assert client().hget(keys.job("d"), "enqueued_at") is None


def test_large_arguments_are_spread_over_calls() -> None:
    text = "".join(map(chr, range(33, 127))) * 1_000
    envelopes = [job(str(n), args=[text[n:], text[:n]]) for n in range(60)]
    calls = broker_push._calls(envelopes, {}, with_row=True)
    sizes = [sum(len(str(value)) for value in call.args) for call in calls]
    assert max(sizes) < 2 * broker_push.BYTES_AT_ONCE
    push(envelopes)
    assert len(waiting()) == 60


def test_a_job_that_waits_takes_few_bytes() -> None:
    job_id = str(uuid.uuid4())
    push_job(job_id, path="tests.sample.add", with_row=False)
    used = client().memory_usage(keys.job(job_id)) or 0
    assert client().object("encoding", keys.job(job_id)) == b"listpack"
    assert used + len(job_id) + 2 <= 600


def test_a_key_of_another_type_stops_no_other_job() -> None:
    client().set(keys.job("a"), "mine")
    assert push([job("a"), job("b")]) == ["queued", "queued"]
    assert (client().get(keys.job("a")), waiting()) == (b"mine", ["b"])
