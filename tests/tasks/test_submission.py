from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from tasks.broker import push as broker_push
from tasks.errors import (
    InvalidArguments,
    InvalidOption,
    JobExists,
    PayloadTooLarge,
    PermissionMissing,
    TaskNotRegistered,
)
from tasks.models import Job
from tasks.policy import Actor
from tasks.submission import Handle, submit, submit_many
from tests.engine import client, waiting
from tests.sample import add, greet

pytestmark = pytest.mark.django_db(transaction=True)


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
    with pytest.raises(InvalidArguments, match=r"number: (NaN|Infinity) is not"):
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
    with transaction.atomic():
        submit(add, [1])
        transaction.set_rollback(True)
    assert client().keys("*") == []
    assert not Job.objects.exists()


@pytest.mark.usefixtures("redis_away")
def test_without_redis_the_job_is_accepted_all_the_same() -> None:
    assert row(submit(add, [1])).state == "created"


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
