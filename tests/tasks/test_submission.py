from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from tasks import ledger
from tasks.broker import keys
from tasks.broker import push as broker_push
from tasks.broker.wire import Envelope
from tasks.conf import NO_LEDGER
from tasks.errors import (
    BrokerUnavailable,
    IdempotencyConflict,
    InvalidArguments,
    InvalidOption,
    JobExists,
    JobFailed,
    JobNotFound,
    PayloadTooLarge,
    PermissionMissing,
    ResultTimeout,
    TaskNotRegistered,
)
from tasks.models import Dependency, Job
from tasks.policy import Actor
from tasks.states import State
from tasks.submission import Handle, submit, submit_call, submit_many
from tests.engine import client, events, push_job, record_all, run_next, status, waiting
from tests.sample import add, add_async, greet

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def no_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a process that was given only Redis."""
    monkeypatch.setenv(NO_LEDGER, "1")


@pytest.fixture
def redis_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise ConnectionError("gone")

    monkeypatch.setattr(broker_push, "invoke_many", refuse)


def row(handle: Handle) -> Job:
    return Job.objects.get(pk=handle.id)


# What is accepted.


def test_a_job_is_written_and_queued() -> None:
    handle = submit("tests.sample.add", {"a": "1"}, tags=["x"], description="sum")
    job = row(handle)
    assert (job.state, job.task, job.kwargs) == ("created", add.task.name, {"a": 1})
    assert (job.tags, job.description, job.submitted_by) == (["x"], "sum", "code")
    assert waiting() == [handle.id]


@pytest.mark.parametrize("task", [greet, greet.task, "greet", "tests.sample.greet"])
def test_a_task_is_named_in_four_ways(task: Any) -> None:
    assert row(submit(task, ["Ann"])).task == "greet"


def test_a_task_submits_itself() -> None:
    handle = greet.submit("Ann", loudly=True)
    assert row(handle).kwargs == {"name": "Ann", "loudly": True}
    assert waiting("emails") == [handle.id]


def test_a_call_takes_the_options_of_a_submission() -> None:
    assert row(add.s(1).submit(queue="fast")).queue == "fast"


def test_the_actor_and_the_door_are_kept() -> None:
    handle = submit(add, [1], actor=Actor("mara", "web"))
    assert row(handle).submitted_by == "web · mara"


def test_policy_of_the_task_is_kept_with_the_job() -> None:
    job = row(submit("tests.sample.flaky", ["/x"]))
    assert (job.retries, job.backoff, job.timeout) == (2, 0.05, 600)


# What is refused, with nothing written.


@pytest.mark.parametrize(
    ("error", "task", "args", "options"),
    [
        (TaskNotRegistered, "nobody", None, {}),
        (InvalidArguments, add, {"a": "x"}, {}),
        (InvalidOption, add, "1", {}),
        (InvalidOption, add, [1], {"queue": "a b"}),
        (InvalidOption, add, [1], {"colour": "red"}),
        (InvalidOption, add, [1], {"depends_on": ["nobody"]}),
        (PayloadTooLarge, greet, ["x" * 300_000], {}),
        (PermissionMissing, add, [1], {"actor": Actor("x", "web", frozenset())}),
    ],
)
def test_what_cannot_work_is_refused_and_leaves_nothing(
    error: type[Exception], task: Any, args: Any, options: dict[str, Any]
) -> None:
    with pytest.raises(error):
        submit(task, args, **options)
    assert not Job.objects.exists()
    assert client().keys("*") == []


def test_a_wrong_argument_is_named() -> None:
    with pytest.raises(InvalidArguments) as caught:
        submit(add, {"a": "x", "c": 1})
    assert caught.value.problems == {
        "a": "must be a whole number",
        "c": "is not an argument of this task",
    }


def test_a_large_payload_is_refused_with_the_way_out() -> None:
    with pytest.raises(PayloadTooLarge, match="Write the data to a file or a table"):
        submit(greet, ["x" * 300_000])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_have_is_refused(value: float) -> None:
    with pytest.raises(InvalidArguments, match="number: .* is not a number in JSON"):
        submit("tests.sample.halve", [value])
    assert client().keys("*") == []


@pytest.mark.parametrize("text", ["half \ud800", "nul \x00"])
def test_text_that_databases_refuse_is_refused(text: str) -> None:
    with pytest.raises(InvalidArguments, match="name: "):
        submit(greet, [text])
    assert client().keys("*") == []


def test_a_used_id_is_refused() -> None:
    submit(add, [1], id="mine")
    with pytest.raises(JobExists) as caught:
        submit(add, [2], id="mine")
    expected = "A job mine exists already: leave the id out, or choose another."
    assert str(caught.value) == expected
    assert waiting() == ["mine"]


# The row first, the push after the commit.


def test_the_row_is_there_before_the_push(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    monkeypatch.setattr(
        broker_push,
        "push",
        lambda jobs, _parents: seen.append(Job.objects.filter(pk=jobs[0].id).exists()),
    )
    submit(add, [1])
    assert seen == [True]


def test_nothing_is_pushed_before_the_commit() -> None:
    with transaction.atomic():
        submit(add, [1])
        assert client().keys("*") == []
    assert len(waiting()) == 1


def test_a_rollback_pushes_nothing() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        submit(add, [1])
        raise RuntimeError
    assert client().keys("*") == []
    assert not Job.objects.exists()


@pytest.mark.usefixtures("redis_away")
def test_without_redis_the_job_is_accepted_all_the_same() -> None:
    assert row(submit(add, [1])).state == "created"


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
    found, looks = ledger._earlier, [None]

    def look(envelope: Envelope, key: str) -> Envelope | None:
        return looks.pop() if looks else found(envelope, key)

    monkeypatch.setattr(ledger, "_earlier", look)


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


# Many at once.


def test_many_jobs_are_written_and_queued_in_their_order() -> None:
    handles = submit_many([add.s(n) for n in range(600)], tags=["bulk"])
    assert waiting() == [handle.id for handle in handles]
    assert Job.objects.filter(state="created").count() == 600


def test_all_or_none_of_many_are_accepted() -> None:
    with pytest.raises(InvalidArguments):
        submit_many([add.s(1), add.s("x")])  # type: ignore[arg-type]
    assert not Job.objects.exists()
    assert client().keys("*") == []


@pytest.mark.parametrize("name", ["id", "idempotency_key"])
def test_many_jobs_cannot_share_a_name(name: str) -> None:
    with pytest.raises(InvalidOption, match=f"{name}: can be given with one call only"):
        submit_many([add.s(1), add.s(2)], **{name: "k"})


def test_none_is_many_too() -> None:
    assert submit_many([]) == []


# Without the ledger.


@pytest.mark.usefixtures("no_ledger")
def test_without_the_ledger_redis_accepts_and_the_row_follows() -> None:
    parent = submit(add, [1])
    child = submit(add, [2], depends_on=[parent], tags=["x"], delay=60)
    assert not Job.objects.exists()
    record_all()
    job = row(child)
    assert (job.state, job.kwargs, job.tags) == ("deferred", {"a": 2}, ["x"])
    assert Dependency.objects.get().parent == parent.id


@pytest.mark.usefixtures("no_ledger")
def test_without_the_ledger_no_key_can_be_kept() -> None:
    with pytest.raises(InvalidOption, match="needs the ledger"):
        submit(add, [1], idempotency_key="k")
    assert client().keys("*") == []


@pytest.mark.usefixtures("no_ledger", "redis_away")
def test_without_the_ledger_and_redis_the_submitter_learns_of_it() -> None:
    with pytest.raises(BrokerUnavailable):
        submit(add, [1])


@pytest.mark.usefixtures("no_ledger")
def test_without_the_ledger_a_used_id_is_refused_too() -> None:
    submit(add, [1], id="mine")
    with pytest.raises(JobExists):
        submit(add, [2], id="mine")


def test_a_coroutine_on_the_loop_submits_by_redis() -> None:
    async def main() -> Handle:
        return submit_call(add.s(1))

    handle = asyncio.run(main())
    assert not Job.objects.exists()
    record_all()
    assert row(handle).state == "queued"


# The handle.


def test_a_handle_knows_the_state_of_now() -> None:
    handle = submit(add, [1])
    assert handle.state == State.QUEUED
    run_next()
    assert handle.state == State.FINISHED


def test_a_handle_asks_the_ledger_for_what_redis_forgot() -> None:
    handle = submit(add, [1])
    run_next("finish", result="3")
    record_all()
    assert Job.objects.get().state == "finished"
    client().flushdb()
    assert handle.state == State.FINISHED


def test_a_handle_of_nothing_says_so() -> None:
    with pytest.raises(JobNotFound):
        Handle("nobody").state  # noqa: B018


def test_the_result_is_returned() -> None:
    handle = submit(add, [1])
    run_next(result="3")
    assert handle.result(1) == 3


def test_the_result_can_be_awaited() -> None:
    handle = submit(add, [1])
    run_next(result="3")

    async def main() -> Any:
        return await handle

    assert asyncio.run(main()) == 3


def test_the_result_of_a_job_that_redis_forgot_comes_from_the_ledger() -> None:
    handle = submit(add, [1])
    run_next(result="3", facts={"result": "3", "result_size": 1})
    record_all()
    client().flushdb()
    assert handle.result(1) == 3


def test_waiting_ends_when_the_job_does() -> None:
    handle = submit(add, [1])
    timer = threading.Timer(0.05, run_next, kwargs={"result": "3"})
    timer.start()
    assert handle.result(5) == 3
    timer.join()


def test_a_job_that_does_not_end_in_time_is_said_so() -> None:
    with pytest.raises(ResultTimeout, match="has not ended within 0.01 s"):
        submit(add, [1]).result(0.01)


@pytest.mark.usefixtures("redis_away")
def test_a_job_that_is_not_pushed_yet_is_waited_for() -> None:
    with pytest.raises(ResultTimeout):
        submit(add, [1]).result(0.01)


def test_a_job_that_failed_raises_with_its_reason() -> None:
    handle = submit(add, [1])
    run_next("fail", traceback="Traceback …\nValueError: no luck")
    with pytest.raises(JobFailed) as caught:
        handle.result(1)
    assert str(caught.value) == f"Job {handle.id} is failed: ValueError: no luck"


def test_a_result_that_the_ledger_cut_is_not_returned_in_part() -> None:
    handle = submit(add, [1])
    facts = {"result": '"xxx', "result_size": 90_000}
    run_next(result='"x"', facts=facts)
    record_all()
    client().flushdb()
    with pytest.raises(JobFailed, match="no longer"):
        handle.result(1)


def test_every_event_of_a_submission_is_recorded_once() -> None:
    submit(add, [1])
    assert [event["kind"] for event in events()] == ["pushed"]
