from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tasks.broker import keys
from tasks.worker.attempt import Running, request_of
from tasks.worker.callbacks import error_told
from tasks.worker.calls import JobTimedOut, Outcome, ProcessDied, plan
from tasks.worker.child_process import Errand
from tasks.worker.children import ChildPool
from tasks.worker.context import JobContext
from tasks.worker.last_calls import last_call
from tests.engine import client, push_job
from tests.tasks.worker.claimed import claimed_job as job

DIED = Outcome("fail", error="ProcessDied", message="it is gone")


@pytest.mark.parametrize(
    ("limit", "seconds", "both"), [(10, 60, 70), (10, -1, None), (None, 60, None)]
)
def test_a_callback_that_begins_gets_its_own_time(
    limit: float | None, seconds: float, both: float | None
) -> None:
    errand = Errand({}, b"", limit, lambda *_end: None, lambda *_words: None)
    errand.allow(seconds)
    assert errand.limit == both


class Answering:
    """Stands in for a pool: answers each errand at once."""

    def __init__(self, *verbs: str) -> None:
        self.verbs = list(verbs)
        self.errands: list[Errand] = []

    def run(self, errand: Errand) -> None:
        self.errands.append(errand)
        errand.ended(Outcome(self.verbs.pop(0)), None)


def call_last(pool: Any, state: str, outcome: Outcome, **fields: Any) -> None:
    claimed = job(timeout=9, **fields)
    running = Running(claimed, JobContext(id=push_job("a")), print)
    request = request_of(plan(claimed), running)
    running.errand = Errand(request, b"", 9, print, print)
    asyncio.run(last_call(running, pool, state, outcome))


def test_another_child_is_told_of_the_end() -> None:
    pool = Answering("called")
    named = {"failure_callback_name": "m.f", "failure_callback_timeout": 7}
    call_last(pool, "failed", DIED, **named)
    (errand,) = pool.errands
    assert errand.request["call"] == ["m.f", "failed", 7]
    assert errand.request["error"] == ["ProcessDied", "it is gone"]
    assert (errand.request["timeout"], errand.limit) == (None, 7)


def test_a_job_without_callback_needs_no_child() -> None:
    call_last(Answering(), "failed", DIED, stopped_callback_name="m.f")


def test_a_thread_is_told_where_no_child_is_free() -> None:
    pool: ChildPool | Answering = Answering("handback")
    name = "tests.plain.note_stop"
    call_last(pool, "stopped", Outcome("stop"), stopped_callback_name=name)
    assert client().hget(keys.job("a"), "told") == b"stop"


@pytest.mark.parametrize("kind", [ProcessDied, JobTimedOut])
def test_the_error_of_a_child_that_is_gone(kind: type[Exception]) -> None:
    told, error, trace = error_told(kind.__name__, "it is gone")
    assert (told, type(error), str(error), trace) == (kind, kind, "it is gone", None)
