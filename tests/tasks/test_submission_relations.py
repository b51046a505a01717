from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tasks import ledger
from tasks.broker import keys
from tasks.broker.wire import Envelope
from tasks.errors import (
    IdempotencyConflict,
)
from tasks.models import Dependency, Job
from tasks.states import State
from tasks.submission import Handle, submit
from tests.engine import client, push_job, record_all, run_next, status, waiting
from tests.sample import add, add_async

pytestmark = pytest.mark.django_db(transaction=True)


def row(handle: Handle) -> Job:
    return Job.objects.get(pk=handle.id)


# Idempotency.


def test_a_repeat_returns_the_first_job() -> None:
    first = submit(add, [1], idempotency_key="k")
    second = submit(add, {"a": "1"}, idempotency_key="k")
    assert (first.created, second.created, second.id) == (True, False, first.id)
    assert waiting() == [first.id]


def test_a_repeat_returns_the_first_job_even_when_it_has_ended() -> None:
    first = submit(add, [1], idempotency_key="k")
    run_next()
    assert submit(add, [1], idempotency_key="k").id == first.id
    assert waiting() == []


def test_a_default_that_is_given_is_the_same_call() -> None:
    first = submit(add, [1], idempotency_key="k")
    assert submit(add, {"a": 1, "b": 2}, idempotency_key="k").id == first.id


def test_other_arguments_under_the_same_key_are_refused() -> None:
    first = submit(add, [1], idempotency_key="k")
    with pytest.raises(IdempotencyConflict) as caught:
        submit(add, [2], idempotency_key="k")
    assert str(caught.value) == (
        f"Idempotency key k belongs to job {first.id}, which has other arguments:"
        " send the same arguments, or use a new key."
    )


def test_a_key_belongs_to_one_task() -> None:
    submit(add, [1], idempotency_key="k")
    assert submit(add_async, [1], idempotency_key="k").created


def look_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next submission find no earlier job when it first looks."""
    found, looks = ledger.find_earlier, [None]

    def look(envelope: Envelope, key: str) -> str | None:
        return looks.pop() if looks else found(envelope, key)

    monkeypatch.setattr(ledger, "find_earlier", look)


def test_the_loser_of_a_race_gets_the_winner_s_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = submit(add, [1], idempotency_key="k")
    look_too_early(monkeypatch)
    second = submit(add, [1], idempotency_key="k")
    assert (second.id, second.created) == (first.id, False)
    assert waiting() == [first.id]


def test_the_loser_of_a_race_learns_of_a_conflict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = submit(add, [1], idempotency_key="k")
    look_too_early(monkeypatch)
    with pytest.raises(IdempotencyConflict, match=first.id):
        submit(add, [2], idempotency_key="k")


# Delays and parents.


def test_a_delay_is_a_moment_in_the_ledger_and_in_redis() -> None:
    before = datetime.now(UTC)
    handle = submit(add, [1], delay=timedelta(minutes=5))
    due = row(handle).due_at
    assert due is not None
    assert timedelta(minutes=5) <= due - before < timedelta(minutes=6)
    score = client().zscore(keys.DELAYED, handle.id)
    assert score == pytest.approx(due.timestamp(), abs=0.001)
    assert score >= due.timestamp() - 0.0005


def test_a_moment_may_be_named() -> None:
    at = datetime.now(UTC) + timedelta(days=1)
    assert row(submit(add, [1], at=at)).due_at == at


def test_parents_are_kept_as_edges() -> None:
    parent = submit(add, [1])
    child = submit(add, [2], depends_on=parent)
    edge = Dependency.objects.get()
    assert (edge.child, edge.parent) == (child.id, parent.id)
    assert status(child.id) == "deferred"


def test_a_parent_that_only_redis_knows_is_a_parent() -> None:
    push_job("stock")
    assert submit(add, [1], depends_on=["stock"]).state == State.DEFERRED


def test_a_parent_that_finished_and_was_forgotten_is_met() -> None:
    parent = submit(add, [1])
    run_next()
    record_all()
    client().delete(keys.job(parent.id))
    assert submit(add, [1], depends_on=[parent]).state == State.QUEUED


@pytest.mark.parametrize("state", ["failed", "lost", "quarantined", "canceled"])
def test_a_parent_that_ended_otherwise_is_met_where_failure_is_allowed(
    state: str,
) -> None:
    Job.objects.create(id="parent", task="t", queue="q", state=state)
    strict = submit(add, [1], depends_on=["parent"])
    easy = submit(add, [1], depends_on=["parent"], allow_failure=True)
    assert (strict.state, easy.state) == (State.DEFERRED, State.QUEUED)
