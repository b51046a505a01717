"""Each invariant notices what breaks it, and nothing else."""

from __future__ import annotations

from typing import Any, cast

import pytest

from benchmarks.faults.invariants import (
    MOST_LOSSES,
    Facts,
    Try,
    attempts_keep_to_their_limit,
    each_job_ended_once,
    no_accepted_job_is_missing,
    no_two_runs_overlap,
    nothing_is_left_running,
    the_pages_count_what_is_there,
)
from benchmarks.faults.journal import Run
from benchmarks.faults.yard import Yard
from tasks.broker import keys
from tasks.broker.client import get_client
from tasks.states import State
from tests.factories import create_job


class Looker:
    """A yard of which only the Redis is looked at: that of this test run."""

    redis = get_client()


def facts(*tries: Try, state: str = "finished", **fields: Any) -> Facts:
    """Return those of one accepted job `a`, which ran well once unless told otherwise."""
    run = Run("a", 1, 7, began=1.0, ended=2.0, seen=2.0)
    values: dict[str, Any] = {
        "accepted": {"a"},
        "states": {"a": state},
        "retries": {"a": 0},
        "tries": {"a": tries or (Try("a", 1, "finished", superseded=False),)},
        "runs": {"a": [run]},
        **fields,
    }
    return Facts(yard=cast("Yard", Looker()), **values)


def tried(number: int, state: str) -> Try:
    return Try("a", number, state, superseded=False)


def ran(number: int, began: float, ended: float | None, seen: float = 0) -> Run:
    return Run("a", number, 7 + number, began, ended, seen or ended or began)


ALL = (
    no_accepted_job_is_missing,
    each_job_ended_once,
    no_two_runs_overlap,
    attempts_keep_to_their_limit,
    nothing_is_left_running,
)


@pytest.mark.parametrize("check", ALL)
def test_an_ordinary_job_breaks_nothing(check: Any) -> None:
    assert list(check(facts())) == []


@pytest.mark.parametrize(
    "broken",
    [
        {"states": {}},
        {"states": {"a": "queued"}},
        {"runs": {"b": []}},
        {"runs": {"a": [ran(1, 1.0, None)]}},
    ],
)
def test_i1_notices_a_job_that_is_gone_or_did_not_end(broken: dict[str, Any]) -> None:
    assert list(no_accepted_job_is_missing(facts(**broken)))


def test_i1_leaves_alone_what_a_client_removed() -> None:
    assert not list(no_accepted_job_is_missing(facts(states={}, excused={"a"})))


def test_i2_notices_two_ends() -> None:
    twice = facts(tried(1, "finished"), tried(2, "finished"))
    assert list(each_job_ended_once(twice)) == ["a: finished 2 times"]
    assert list(each_job_ended_once(facts(tried(1, "finished"), state="failed")))


def test_i2_allows_an_attempt_to_be_made_again_that_redis_forgot() -> None:
    again = facts(tried(1, "finished"), tried(1, "finished"), forgetful=True)
    assert not list(each_job_ended_once(again))
    twice = facts(tried(1, "finished"), tried(2, "finished"), forgetful=True)
    assert list(each_job_ended_once(twice)) == ["a: finished 2 times"]


def test_i2_notices_that_redis_says_something_else() -> None:
    get_client().sadd(keys.QUEUES, keys.queue("default"))
    get_client().hset(keys.job("a"), "status", "failed")
    get_client().zadd(keys.failed("default"), {"a": 1})
    assert list(each_job_ended_once(facts())) == [
        "a: finished in the ledger, failed in Redis"
    ]
    get_client().hset(keys.job("a"), "status", "finished")
    assert list(each_job_ended_once(facts())) == [
        f"a: finished, but listed in {keys.failed('default')}"
    ]
    get_client().zadd(keys.finished("default"), {"a": 1})
    assert "a: in 2 registries" in list(each_job_ended_once(facts()))


def test_i3_notices_two_runs_at_once() -> None:
    runs = {"a": [ran(1, 1.0, 3.0), ran(2, 2.5, 4.0)]}
    both = facts(tried(1, "failed"), tried(2, "finished"), runs=runs)
    assert list(no_two_runs_overlap(both)) == [
        "a: two runs of it overlapped by 0.500 s"
    ]


def test_i3_allows_it_to_a_run_that_had_lost_its_lease() -> None:
    runs = {"a": [ran(1, 1.0, 3.0), ran(2, 2.5, 4.0)]}
    lost = facts(tried(1, "lost"), tried(2, "finished"), runs=runs)
    assert list(no_two_runs_overlap(lost)) == []


def test_i3_counts_a_killed_run_until_its_last_word() -> None:
    runs = {"a": [ran(1, 1.0, None, seen=2.0), ran(2, 2.5, 4.0)]}
    killed = facts(tried(1, "canceled"), tried(2, "finished"), runs=runs)
    assert list(no_two_runs_overlap(killed)) == []


def test_i3_notices_a_late_result_that_was_taken() -> None:
    stale = facts(tried(1, "finished"), tried(2, "lost"))
    assert list(no_two_runs_overlap(stale)) == [
        "a: attempt 1 finished after 2 had begun"
    ]


def test_i4_notices_more_failures_deaths_or_runs_than_allowed() -> None:
    failures = [tried(n, "failed") for n in (1, 2)]
    assert list(attempts_keep_to_their_limit(facts(*failures)))
    assert not list(attempts_keep_to_their_limit(facts(*failures, retries={"a": 1})))
    deaths = [tried(n, "lost") for n in range(1, MOST_LOSSES + 2)]
    assert list(attempts_keep_to_their_limit(facts(*deaths)))
    assert not list(attempts_keep_to_their_limit(facts(*deaths, quarantines=False)))
    runs = {"a": [ran(1, 1.0, 2.0), ran(2, 3.0, 4.0)]}
    assert list(attempts_keep_to_their_limit(facts(runs=runs)))
    assert not list(attempts_keep_to_their_limit(facts(runs=runs, forgetful=True)))


@pytest.mark.parametrize(
    "leave",
    [
        lambda redis: redis.zadd(keys.lease("default"), {"a:x": 1}),
        lambda redis: redis.zadd(keys.wip("default"), {"a:x": 1}),
        lambda redis: redis.zadd(keys.executions("a"), {"x": 1}),
        lambda redis: redis.rpush(keys.queue("default"), "a"),
        lambda redis: redis.set("rq:scheduler-lock:default", 1),
        lambda redis: redis.xadd(keys.EVENTS, {"id": "a"}),
    ],
)
def test_i5_notices_what_redis_still_holds(leave: Any) -> None:
    get_client().sadd(keys.QUEUES, keys.queue("default"))
    leave(get_client())
    assert len(list(nothing_is_left_running(facts()))) == 1


def test_i5_notices_what_the_ledger_takes_for_running() -> None:
    assert list(nothing_is_left_running(facts(state="started")))
    assert list(nothing_is_left_running(facts(tried(1, "started"))))


@pytest.mark.django_db
def test_i6_notices_a_figure_that_is_not_so() -> None:
    job = create_job(state=State.FAILED)
    assert not list(the_pages_count_what_is_there(facts(states={job.id: "failed"})))
    assert list(the_pages_count_what_is_there(facts(states={job.id: "finished"})))
