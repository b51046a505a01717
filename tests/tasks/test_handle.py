from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from tasks import stored_words
from tasks.errors import (
    BrokerUnavailable,
    InvalidOption,
    JobExists,
    JobFailed,
    JobNotFound,
    ResultTimeout,
)
from tasks.models import Dependency, Job
from tasks.states import State
from tasks.submission import Handle, submit, submit_call
from tests.engine import claim, client, events, record_all, run_next, settle
from tests.sample import add

pytestmark = pytest.mark.django_db(transaction=True)


def row(handle: Handle) -> Job:
    return Job.objects.get(pk=handle.id)


def test_a_state_that_rq_has_no_word_for_is_told_by_the_ledger() -> None:
    handle = submit(add, [1])
    settle(claim(), "quarantine")
    assert handle.state == State.FAILED
    record_all()
    assert handle.state == State.QUARANTINED


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
    with pytest.raises(ResultTimeout, match="has not ended within"):
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


@pytest.mark.usefixtures("foreign_reader")
def test_why_a_job_ended_is_told_in_the_readers_language() -> None:
    handle = submit(add, [1])
    run_next("stop", traceback=stored_words.STOPPED)
    with pytest.raises(JobFailed, match=f"stopped: « {stored_words.STOPPED} »"):
        handle.result()


@pytest.mark.usefixtures("foreign_reader")
def test_so_it_is_once_redis_has_forgotten_the_job() -> None:
    handle = submit(add, [1])
    facts = {"error": "Stopped", "message": stored_words.STOPPED}
    run_next("stop", facts=facts)
    record_all()
    client().flushdb()
    with pytest.raises(JobFailed, match=f"stopped: « {stored_words.STOPPED} »"):
        handle.result()


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
