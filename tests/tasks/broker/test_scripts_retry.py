from __future__ import annotations

import pytest

from tasks.broker import keys
from tasks.broker.jobs import cancel, retry
from tests.engine import claim, client, events, push_job, run_next, status, waiting


@pytest.mark.parametrize("verb", ["fail", "stop"])
def test_a_job_that_did_not_finish_is_queued_again(verb: str) -> None:
    push_job("a")
    run_next(verb, traceback="x")
    assert retry("a", "mara") == (True, "queued")
    assert waiting() == ["a"]
    assert client().zcard(keys.failed("default")) == 0
    assert client().ttl(keys.job("a")) == -1
    assert client().hget(keys.job("a"), "exc_info") is None


def test_it_is_a_further_attempt_with_all_its_retries() -> None:
    push_job("a", retries=1)
    run_next("fail", retry_after=0)
    run_next("fail")
    retry("a", "mara")
    assert client().hget(keys.job("a"), "retries_left") == b"1"
    assert claim().attempt == 3


@pytest.mark.parametrize("state", ["queued", "started", "finished"])
def test_other_states_are_left_alone(state: str) -> None:
    push_job("a")
    client().hset(keys.job("a"), "status", state)
    assert retry("a", "mara") == (False, state)


def test_a_job_that_redis_forgot_is_said_so() -> None:
    assert retry("gone", "mara") == (False, "")


def test_the_event_names_who_did_it() -> None:
    push_job("a")
    run_next("fail")
    retry("a", "mara")
    event = events()[-1]
    assert (event["kind"], event["state"], event["by"]) == ("retried", "queued", "mara")


def test_a_retried_parent_releases_its_child_when_it_finishes() -> None:
    push_job("a")
    push_job("child", depends_on=["a"])
    run_next("fail")
    retry("a", "mara")
    run_next()
    assert waiting() == ["child"]


def test_a_child_canceled_before_its_parent_ended_waits_for_it_again() -> None:
    push_job("a")
    push_job("child", depends_on=["a"])
    cancel("child", "mara")
    assert retry("child", "mara") == (True, "deferred")
    assert client().zcard(keys.canceled("default")) == 0
    run_next()
    assert waiting() == ["child"]


def test_a_child_whose_parent_finished_meanwhile_is_queued() -> None:
    push_job("a")
    push_job("child", depends_on=["a"])
    cancel("child", "mara")
    run_next()
    assert retry("child", "mara") == (True, "queued")


def test_a_parent_that_was_canceled_can_be_retried_for_its_child() -> None:
    push_job("a")
    push_job("child", depends_on=["a"])
    cancel("a", "mara")
    assert status("child") == "deferred"
    retry("a", "mara")
    run_next()
    assert waiting() == ["child"]


def test_a_delayed_job_that_was_canceled_does_not_wait_again() -> None:
    push_job("a")
    client().hset(keys.job("a"), "ty:due", "99999999999")
    cancel("a", "mara")
    assert retry("a", "mara") == (True, "queued")
