from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rq import Retry
from rq.serializers import PickleSerializer

from tasks.broker.wire import LONGEST_BACKOFF, PayloadUnreadable
from tasks.errors import FunctionNotRegistered, InvalidArguments
from tasks.worker.calls import Outcome, failed
from tasks.worker.retries import asks_again, retry_after
from tests.tasks.worker.claimed import claimed_job as job

FAILED = Outcome("fail")


@given(st.floats(0, 3600), st.integers(1, 200))
def test_a_retry_waits_at_most_its_doubled_back_off(
    backoff: float, attempt: int
) -> None:
    seconds = retry_after(job(retries_left=1, backoff=backoff, attempt=attempt), FAILED)
    assert seconds is not None
    assert 0 <= seconds <= min(LONGEST_BACKOFF, backoff * 2 ** min(attempt - 1, 30))


def test_the_jitter_is_full() -> None:
    waits = [
        retry_after(job(retries_left=1, backoff=10, attempt=3), FAILED)
        for _ in range(300)
    ]
    seconds = [wait for wait in waits if wait is not None]
    assert min(seconds) < 5
    assert max(seconds) > 35


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"retries_left": 0, "backoff": 1}, FAILED),
        ({"backoff": 1}, FAILED),
        ({"retries_left": 3, "backoff": 1}, Outcome("stop")),
        ({"retries_left": 3, "backoff": 1}, Outcome("finish")),
        ({"retries_left": 3, "backoff": 1}, Outcome("fail", permanent=True)),
    ],
)
def test_no_retry(fields: dict[str, int], outcome: Outcome) -> None:
    assert retry_after(job(**fields), outcome) is None


@pytest.mark.parametrize(
    "error",
    [
        FunctionNotRegistered("m.f"),
        InvalidArguments("t", {"a": "is required"}),
        PayloadUnreadable("no"),
    ],
)
def test_what_would_fail_again_is_not_retried(error: Exception) -> None:
    assert retry_after(job(retries_left=3, backoff=1), failed(error)) is None


@pytest.mark.parametrize(
    ("left", "intervals", "expected"),
    [
        (3, [1, 5, 9], 1),
        (1, [1, 5, 9], 9),
        (5, [1, 5], 1),
        (2, [], 0),
        (2, "broken", 0),
    ],
)
def test_a_stock_job_waits_its_own_intervals(
    left: int, intervals: Any, expected: float
) -> None:
    fields = {"retries_left": left, "retry_intervals": json.dumps(intervals)}
    assert retry_after(job(**fields), FAILED) == expected


# Retries that a task asks for.


@pytest.mark.parametrize("value", [None, 1, "Retry", Retry, {"max": 3}])
def test_other_values_ask_for_nothing(value: object) -> None:
    assert asks_again(value, 0) is None


@pytest.mark.parametrize(
    ("retries", "verb", "seconds"),
    [(0, "again", 5), (1, "again", 9), (2, "again", 9), (3, "exceeded", None)],
)
def test_a_retry_asks_until_it_is_used_up(
    retries: int, verb: str, seconds: float | None
) -> None:
    outcome = asks_again(Retry(max=3, interval=[5, 9]), retries)
    assert outcome is not None
    assert (outcome.verb, outcome.retry_after) == (verb, seconds)
    assert outcome.message.startswith("Retry(max=3")


def test_it_is_kept_as_rq_keeps_it() -> None:
    plain, pickled = (asks_again(Retry(max=3), 0, pickled=p) for p in (False, True))
    assert plain is not None
    assert pickled is not None
    assert json.loads(base64.b64decode(plain.packed)) == "Unserializable return value"
    kept = PickleSerializer.loads(base64.b64decode(pickled.packed))
    assert (kept.max, kept.intervals) == (3, [0])


def test_a_wish_to_be_run_at_once_reaches_the_settle() -> None:
    """Nought seconds are not the same as no retry at all, also on their way from a child."""
    outcome = asks_again(Retry(max=3), 0)
    assert outcome is not None
    assert retry_after(job(), Outcome(**outcome.brief())) == 0
