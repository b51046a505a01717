"""What Taskyard writes of an end into the ledger, and how a reader is told."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from django.utils.translation import override

from tasks import stored_words
from tasks.broker import keys
from tasks.broker.attempts import Settlement
from tasks.broker.pickled import load_call, pack_value
from tasks.broker.wire import (
    RESULT_LIMIT,
    check_result_size,
    encode_result,
    unpack_call,
)
from tasks.errors import FunctionNotRegistered
from tasks.stored_words import word_error, word_last_line, word_unreadable
from tasks.worker.calls import (
    JobTimedOut,
    MemoryExceeded,
    Outcome,
    OutputExceeded,
    ProcessDied,
    failed,
    stopped,
)
from tasks.worker.child_process import death
from tasks.worker.settle import unsendable
from tests.engine import (
    claim,
    claim_all,
    client,
    end_leases,
    events,
    push_job,
    take_back,
)

pytestmark = pytest.mark.usefixtures("foreign_reader")


def outcome_of(call: Callable[[], object]) -> Outcome:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it raises
        call()
    return failed(caught.value)


ENDS: list[tuple[str, Callable[[], Outcome]]] = [
    ("time", lambda: failed(JobTimedOut(1.5))),
    ("memory", lambda: failed(MemoryExceeded(2**30, 2**29))),
    ("output", lambda: failed(OutputExceeded(2**20))),
    ("signal", lambda: failed(ProcessDied(death(-9)))),
    ("exit code", lambda: failed(ProcessDied(death(3)))),
    ("stop", stopped),
    ("unknown function", lambda: failed(FunctionNotRegistered("shop.charge"))),
    ("no JSON", lambda: outcome_of(lambda: encode_result(float))),
    ("no pickle", lambda: outcome_of(lambda: pack_value(lambda: 1))),
    ("too much", lambda: outcome_of(lambda: check_result_size(RESULT_LIMIT + 1))),
    ("no call", lambda: outcome_of(lambda: unpack_call(b"[1, null, [], {}]"))),
    ("garbage", lambda: outcome_of(lambda: unpack_call(b"x"))),
    ("a bomb", lambda: outcome_of(lambda: unpack_call(zlib.compress(bytes(2**28))))),
    ("pickled", lambda: outcome_of(lambda: unpack_call(pickle.dumps(1)))),
    ("unpicklable", lambda: outcome_of(lambda: load_call(b"x"))),
]


@pytest.mark.parametrize("end", [end for _name, end in ENDS], ids=[n for n, _ in ENDS])
def test_an_end_is_stored_in_english_and_read_in_any_language(
    end: Callable[[], Outcome],
) -> None:
    with override("zh-hans"):
        stored = end()
    assert stored.message.isascii()
    assert word_error(stored.error, stored.message) == f"« {stored.message} »"


def told() -> tuple[str, str]:
    """Return the error and the message that the last event tells."""
    event = events()[-1]
    return event["error"], event["message"]


def test_the_words_of_a_sweep_are_known() -> None:
    push_job("a")
    for number in range(3):
        claim(worker="vm-1.web 7")
        end_leases()
        take_back()
        error, message = told()
        assert word_error(error, message) == f"« {message} »"
        assert ("death" in message) == (number == 2)
    assert "vm-1.web 7" in message


def test_the_words_of_a_claim_are_known() -> None:
    client().set(keys.job("a"), "no hash")
    client().rpush(keys.queue("default"), "a", b"\xff")
    claim_all()
    for event in events():
        message = event["message"]
        assert word_error(event["error"], message) == f"« {message} »"
    assert len(events()) == 2


def test_an_end_that_cannot_be_sent_says_so_in_known_words() -> None:
    push_job("a")
    facts: Any = unsendable(Settlement(claim(), "finish", 0.0)).facts
    message = facts["message"]
    assert word_error(facts["error"], message) == f"« {message} »"


def test_what_a_task_raised_stays_as_it_is() -> None:
    for error in (
        ValueError("It was removed from Redis by another client."),
        OSError(),
    ):
        stored = failed(error)
        assert word_error(stored.error, stored.message) == stored.message
    mine = "the task ran longer than its timeout of 5 s, as I feared"
    assert word_error("JobTimedOut", mine) == mine


def test_why_arguments_cannot_be_read_is_told_in_the_readers_language() -> None:
    for reason in (stored_words.PICKLED_ARGUMENTS, stored_words.NO_CALL):
        assert word_unreadable(reason) == f"« {reason} »"
    assert word_unreadable("") == ""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"WorkerLost: {stored_words.WORKER_LOST}", "WorkerLost: « the worker of"),
        (f"tasks.worker.calls.JobTimedOut: {JobTimedOut(5)}", "JobTimedOut: « the"),
        (stored_words.STOPPED, "« Job stopped by user"),
        ("ValueError: no", "ValueError: no"),
        ("", ""),
    ],
)
def test_the_last_line_of_a_traceback_is_worded_behind_its_error(
    line: str, words: str
) -> None:
    assert words in word_last_line(line)
