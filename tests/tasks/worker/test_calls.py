from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.broker.attempts import CLAIMED_FIELDS, Claimed
from tasks.broker.wire import LONGEST_BACKOFF, PayloadUnreadable, pack_call
from tasks.conf import get_config
from tasks.errors import FunctionNotRegistered, InvalidArguments, TaskFailed
from tasks.worker import calls
from tasks.worker.calls import (
    TRACEBACK_LIMIT,
    Outcome,
    cut,
    failed,
    plan,
    retry_after,
    succeeded,
)
from tests import sample

FAILED = Outcome("fail")


def job(path: str = "tests.sample.add", attempt: int = 1, **fields: object) -> Claimed:
    values = dict.fromkeys(CLAIMED_FIELDS, b"")
    values["data"] = pack_call(path, [1], {})
    for name, value in fields.items():
        values[name] = value if isinstance(value, bytes) else str(value).encode()
    return Claimed("a", "e", "default", attempt, values)


def test_a_registered_task_is_planned_with_its_policy() -> None:
    planned = plan(job(timeout=7))
    assert planned.task is sample.add.task
    assert (planned.timeout, planned.is_async) == (7, False)
    assert plan(job(timeout=-1)).timeout is None


def test_a_task_that_moved_is_found_by_its_name() -> None:
    assert plan(job("old.place.greet", task="greet")).task is sample.greet.task


def test_a_plain_function_of_an_admitted_module_is_planned() -> None:
    planned = plan(job("tests.plain.multiply"))
    assert planned.function(3, 4) == 12
    assert planned.task is None


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a module that leaves a file behind when anyone imports it."""
    sprung = tmp_path / "sprung"
    code = f"open({str(sprung)!r}, 'w').close()\ndef go(): pass\n"
    (tmp_path / "trap.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    return sprung


def test_what_nobody_registered_is_never_imported(trap: Path) -> None:
    with pytest.raises(FunctionNotRegistered) as caught:
        plan(job("trap.go"))
    assert not trap.exists()
    assert str(caught.value).startswith("function trap.go is not registered")
    assert "TASKYARD_RQ_MODULES" in str(caught.value)


def test_the_trap_springs_where_the_module_is_admitted(
    trap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    admits = get_config().model_copy(update={"taskyard_rq_modules": ("trap",)})
    monkeypatch.setattr(calls, "get_config", lambda: admits)
    plan(job("trap.go"))
    assert trap.exists()


@pytest.mark.parametrize(
    "path", ["", "go", "os.system", "builtins.eval", "tests.plain.no"]
)
def test_paths_that_lead_elsewhere_are_refused(path: str) -> None:
    with pytest.raises(FunctionNotRegistered):
        plan(job(path))


@pytest.mark.parametrize("data", [b"", b"\x80\x04pickled", b"garbage"])
def test_data_that_is_no_call_is_refused(data: bytes) -> None:
    with pytest.raises(PayloadUnreadable):
        plan(job(data=data))


# Retries.


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


# Ends.


def test_an_error_says_its_name_its_sentence_and_where() -> None:
    def inner() -> None:
        raise TaskFailed("the file is empty")

    with pytest.raises(TaskFailed) as caught:
        inner()
    outcome = failed(caught.value)
    assert (outcome.error, outcome.message) == ("TaskFailed", "the file is empty")
    assert 'raise TaskFailed("the file is empty")' in outcome.traceback


def test_a_long_traceback_is_cut_in_the_middle_and_says_so() -> None:
    outcome = failed(ValueError("first " + "x" * 100_000 + " last"))
    assert len(outcome.traceback) < TRACEBACK_LIMIT + 100
    assert "characters left out" in outcome.traceback
    assert outcome.traceback.endswith(" last\n")
    assert "characters left out" in outcome.message


def test_what_fits_is_not_cut() -> None:
    assert cut("x" * 10, 10) == "x" * 10
    assert cut("a" * 6 + "b" * 6, 10) == "aaaaa\n… 2 characters left out …\nbbbbb"


def test_a_result_that_cannot_be_kept_is_a_failure() -> None:
    outcome = succeeded(object())
    assert (outcome.verb, outcome.error) == ("fail", "ResultUnusable")
    assert outcome.message.startswith("The return value cannot be written as JSON")


def test_an_error_that_cannot_even_be_shown_is_a_failure_all_the_same() -> None:
    class Rude(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    outcome = failed(Rude())
    assert (outcome.verb, outcome.error) == ("fail", "Rude")
