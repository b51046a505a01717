from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tasks.broker import keys
from tasks.broker.jobs import cancel
from tests.engine import (
    claim,
    claim_all,
    client,
    events,
    push_job,
    run_next,
    status,
    waiting,
)


def test_a_queued_job_leaves_its_queue() -> None:
    push_job("a")
    assert cancel("a", "mara") == (True, "queued")
    assert (status("a"), waiting()) == ("canceled", [])
    assert client().zscore(keys.canceled("default"), "a")


def test_a_delayed_job_leaves_the_set() -> None:
    push_job("a", due_at=datetime.now(UTC) + timedelta(hours=1))
    assert cancel("a", "mara") == (True, "scheduled")
    assert client().zcard(keys.DELAYED) == 0


def test_a_job_between_two_attempts_can_be_canceled() -> None:
    push_job("a", retries=1)
    run_next("fail", retry_after=30)
    assert cancel("a", "mara") == (True, "scheduled")
    assert client().zcard(keys.scheduled("default")) == 0


def test_a_child_is_canceled_and_its_parent_releases_it_no_more() -> None:
    push_job("a")
    push_job("child", depends_on=["a"])
    assert cancel("child", "mara") == (True, "deferred")
    run_next()
    assert waiting() == []


def test_a_running_job_is_not_canceled() -> None:
    push_job("a")
    claim()
    assert cancel("a", "mara") == (False, "started")
    assert status("a") == "started"


def test_an_ended_job_is_not_canceled() -> None:
    push_job("a")
    run_next()
    assert cancel("a", "mara") == (False, "finished")


def test_a_job_that_redis_does_not_know_is_said_so() -> None:
    assert cancel("gone", "mara") == (False, "")


def test_the_event_names_who_did_it() -> None:
    push_job("a")
    cancel("a", "mara")
    event = events()[-1]
    assert (event["kind"], event["state"], event["by"]) == (
        "canceled",
        "canceled",
        "mara",
    )


def test_only_children_that_allow_failure_follow_a_canceled_parent() -> None:
    push_job("a")
    push_job("strict", depends_on=["a"])
    push_job("easy", depends_on=["a"], allow_failure=True)
    cancel("a", "mara")
    assert (status("strict"), status("easy")) == ("deferred", "queued")


def test_an_entry_deep_in_a_long_queue_is_dropped_when_its_turn_comes() -> None:
    filler = [f"gone{number}" for number in range(10_000)]
    client().rpush(keys.queue("default"), *filler)
    push_job("a")
    client().rpush(keys.queue("default"), *filler)
    assert cancel("a", "mara") == (True, "queued")
    assert "a" in waiting()
    client().ltrim(keys.queue("default"), 10_000, 10_000)
    assert waiting() == ["a"]
    assert claim_all().jobs == []
    assert waiting() == []
