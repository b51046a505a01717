from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from tasks.broker import keys
from tasks.broker.jobs import retry
from tasks.broker.moves import AT_ONCE, move_due
from tasks.broker.push import score_of
from tests.engine import (
    claim_all,
    client,
    events,
    make_due,
    move,
    push_job,
    run_next,
    status,
    waiting,
)


def delayed(job_id: str, **fields: object) -> None:
    push_job(job_id, due_at=datetime.now(UTC) + timedelta(hours=1), **fields)


def test_a_job_is_queued_when_its_moment_has_come() -> None:
    delayed("a")
    make_due("a")
    assert move()[0] == 1
    assert (status("a"), waiting()) == ("queued", ["a"])
    assert client().zcard(keys.DELAYED) == 0
    assert events()[-1]["kind"] == "released"


def test_a_job_never_moves_early_and_the_next_moment_is_told() -> None:
    delayed("a")
    seconds, micros = client().time()
    due = seconds + micros / 1e6 + 60
    client().zadd(keys.DELAYED, {"a": f"{due:.3f}"})
    moved = move()
    assert (moved.taken, moved.left) == (0, 0)
    assert moved.wait == pytest.approx(60, abs=30)
    assert status("a") == "scheduled"


def test_nothing_waits_for_nothing() -> None:
    assert move()[:3] == (0, None, 0)


def test_redis_clock_decides_not_ours(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    delayed("a")
    monkeypatch.setattr(time, "time", lambda: 9e9)
    assert move()[0] == 0


def test_due_jobs_move_in_the_order_they_came_due() -> None:
    for job_id, score in (("b", 2), ("a", 1), ("c", 3)):
        delayed(job_id)
        make_due(job_id)
        client().zadd(keys.DELAYED, {job_id: score})
    move()
    assert waiting() == ["a", "b", "c"]


def test_retries_wait_in_rq_s_own_set_and_move_from_there() -> None:
    push_job("a", retries=1)
    run_next("fail", retry_after=60)
    make_due("a", keys.scheduled("default"))
    assert move()[0] == 1
    assert waiting() == ["a"]


def test_a_job_with_an_open_parent_waits_on() -> None:
    push_job("parent")
    delayed("a")
    client().hset(keys.job("a"), "dependency_ids", '["parent"]')
    client().sadd(keys.dependencies("a"), "parent")
    client().sadd(keys.dependents("parent"), "a")
    make_due("a")
    move()
    assert status("a") == "deferred"
    run_next()
    assert waiting() == ["a"]


def test_an_entry_without_a_job_is_dropped_at_the_second_look() -> None:
    """At the first one, a stock client may be about to write the job."""
    for left in (1, 0):
        client().zadd(keys.DELAYED, {"gone": 1})
        assert move()[0] == 1
        assert client().zcard(keys.DELAYED) == left


def test_a_canceled_or_running_job_is_not_queued() -> None:
    for state in ("canceled", "started"):
        delayed(state)
        client().hset(keys.job(state), "status", state)
        make_due(state)
    move()
    assert waiting() == []


def test_garbage_beside_it_does_not_hold_up_a_due_job() -> None:
    delayed("bad")
    delayed("good")
    client().hset(keys.job("bad"), "ty:seq", "many")
    client().set(keys.job("text"), "x")
    for job_id in ("bad", "good"):
        make_due(job_id)
    client().zadd(keys.DELAYED, {"text": 1})
    move()
    assert "good" in waiting()


def test_a_moved_job_runs_once() -> None:
    delayed("a")
    make_due("a")
    move()
    move()
    assert [job.id for job in claim_all().jobs] == ["a"]


def test_a_parent_that_was_retried_meanwhile_is_waited_for_to_its_end() -> None:
    """It has told its child of its first end; the second must find the child as well."""
    push_job("parent")
    push_job("child", depends_on=["parent"], allow_failure=True, retries=1)
    run_next("fail")
    run_next("fail", retry_after=60)
    retry("parent", "mara")
    make_due("child", keys.scheduled("default"))
    move()
    assert status("child") == "deferred"
    run_next()
    assert (status("child"), waiting()) == ("queued", ["child"])


def test_one_is_moved_before_it_is_due_where_that_is_asked() -> None:
    delayed("a")
    delayed("b")
    move_due(client(), early=["b", "gone"])
    assert (status("a"), waiting()) == ("scheduled", ["b"])
    assert client().zrange(keys.DELAYED, 0, -1) == [b"a"]


def test_a_key_of_another_kind_holds_up_no_other_set() -> None:
    client().sadd(keys.QUEUES, keys.queue("odd"))
    client().set(keys.scheduled("odd"), "no set")
    delayed("a")
    make_due("a")
    move()
    assert waiting() == ["a"]


def test_jobs_at_the_front_stand_there_and_the_others_in_order() -> None:
    for score, job_id in enumerate("abcd", 1):
        delayed(job_id, at_front=job_id in "bd")
        client().zadd(keys.DELAYED, {job_id: score})
    move()
    assert waiting() == ["d", "b", "a", "c"]


def test_every_set_gets_its_share_of_a_call() -> None:
    for queue in ("one", "two"):
        client().sadd(keys.QUEUES, keys.queue(queue))
        for number in range(AT_ONCE):
            job_id = f"{queue}-{number:03}"
            client().hset(
                keys.job(job_id), mapping={"origin": queue, "status": "scheduled"}
            )
            client().zadd(keys.scheduled(queue), {job_id: number})
    move()
    assert [len(waiting(queue)) for queue in ("one", "two")] == [AT_ONCE // 2] * 2


@pytest.mark.parametrize(
    ("micros", "score"),
    [(0, ".000"), (1, ".001"), (999, ".001"), (1_000, ".001"), (999_001, "+1.000")],
)
def test_a_moment_is_never_rounded_down(micros: int, score: str) -> None:
    moment = datetime(2026, 1, 2, microsecond=micros, tzinfo=UTC)
    whole = int(moment.timestamp()) + score.startswith("+1")
    assert score_of(moment) == f"{whole}{score.removeprefix('+1')}"
