from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from rq import Queue
from rq.job import Job as RQJob
from rq.serializers import JSONSerializer

from tasks.broker import keys
from tasks.broker.delays import Scheduler
from tasks.broker.events import Event
from tasks.models import Dependency, Job
from tasks.recorder import record
from tests.engine import (
    claim,
    client,
    events,
    make_due,
    move,
    push_job,
    record_all,
    run_next,
)

pytestmark = pytest.mark.django_db


def test_a_job_that_redis_accepted_gets_its_row_and_edges() -> None:
    push_job("parent")
    push_job("child", depends_on=["parent"], tags=["x"], submitted_by="web · mara")
    record_all()
    child = Job.objects.get(pk="child")
    assert (child.state, child.tags, child.submitted_by) == (
        "deferred",
        ["x"],
        "web · mara",
    )
    assert Dependency.objects.get().parent == "parent"


def test_a_row_that_comes_late_completes_what_was_adopted() -> None:
    """Another recorder saw the start first and took the job for a stock client's."""
    push_job("parent")
    push_job("a", depends_on=["parent"], tags=["x"])
    run_next()
    claim()
    found = [event for event in events() if event["id"] == "a"]
    record(found[1:])
    assert Job.objects.get().submitted_by == "rq"
    record(found[:1])
    job = Job.objects.get()
    assert (job.task, job.kwargs, job.tags) == ("tests.sample.add", {"a": 1}, ["x"])
    assert job.state == "started"
    assert Dependency.objects.get().parent == "parent"


def stock(data: bytes, **fields: str) -> None:
    values: dict[str, Any] = {
        "data": data,
        "origin": "default",
        "status": "queued",
        "description": "shop.charge(7)",
        "created_at": "2026-01-02T03:04:05.000000Z",
        **fields,
    }
    client().hset(keys.job("stock"), mapping=values)
    client().rpush(keys.queue("default"), "stock")
    claim()
    record_all()


def test_a_stock_job_is_adopted_at_its_first_event() -> None:
    stock(b'["shop.charge", null, [7], {"now": true}]')
    job = Job.objects.get()
    assert (job.task, job.args, job.kwargs) == ("shop.charge", [7], {"now": True})
    assert (job.submitted_by, job.state, job.created_at.year) == ("rq", "started", 2026)


@pytest.mark.parametrize("data", [b"\x80\x04pickle", b"garbage", b""])
def test_a_stock_job_that_cannot_be_read_is_adopted_with_the_reason(
    data: bytes,
) -> None:
    stock(data, created_at="yesterday", timeout="long")
    job = Job.objects.get()
    assert (job.task, bool(job.unreadable), job.timeout) == ("shop.charge", True, None)


def test_a_stock_job_without_anything_is_adopted() -> None:
    client().hset(keys.job("stock"), "status", "queued")
    client().rpush(keys.queue("default"), "stock")
    claim()
    record_all()
    assert Job.objects.get().task == "?"


def test_an_event_with_an_unreadable_row_is_adopted_all_the_same() -> None:
    fields = {b"id": b"a", b"seq": b"1", b"kind": b"pushed", b"state": b"queued"}
    record([Event(b"1-0", {**fields, b"row": b"{"})])
    assert Job.objects.get().state == "queued"


# A stock client's jobs whose first event is not their start.

ADD, HOUR = "tests.sample.add", timedelta(hours=1)


def rq_queue() -> Queue:
    return Queue(connection=client(), serializer=JSONSerializer)


def by_rq() -> RQJob:
    job = rq_queue().enqueue_in(HOUR, ADD, 1, b=3, job_id="later", job_timeout=77)
    make_due(job.id, keys.scheduled("default"))
    move()
    return job


def by_rq_scheduler() -> RQJob:
    job = Scheduler().enqueue_in(HOUR, ADD, 1, b=3, job_id="later", timeout=77)
    make_due(job.id)
    move()
    return job


def after_a_parent() -> RQJob:
    push_job("parent")
    job = rq_queue().enqueue(
        ADD, 1, b=3, job_id="later", job_timeout=77, depends_on="parent"
    )
    run_next()
    return job


def delayed_after_a_parent() -> RQJob:
    push_job("parent")
    job = rq_queue().enqueue_in(
        HOUR, ADD, 1, b=3, job_id="later", job_timeout=77, depends_on="parent"
    )
    make_due(job.id, keys.scheduled("default"))
    move()
    return job


def canceled() -> RQJob:
    job = Scheduler().enqueue_in(HOUR, ADD, 1, b=3, job_id="later", timeout=77)
    Scheduler().cancel(job)
    return job


MADE = [by_rq, by_rq_scheduler, after_a_parent, delayed_after_a_parent, canceled]


@pytest.mark.parametrize("make", MADE)
def test_a_stock_job_that_waited_first_is_adopted_with_its_call(
    make: Callable[[], RQJob],
) -> None:
    made = make()
    record_all()
    job = Job.objects.get(pk=made.id)
    assert (job.task, job.args, job.kwargs, job.timeout) == (ADD, [1], {"b": 3}, 77)
    assert job.created_at == made.created_at
    assert not job.unreadable


def test_a_stock_job_that_was_delayed_keeps_its_row_to_the_end() -> None:
    made = by_rq()
    run_next()
    record_all()
    job = Job.objects.get(pk=made.id)
    assert (job.state, job.task, job.created_at) == ("finished", ADD, made.created_at)


def test_a_second_delayed_job_of_the_same_id_is_recorded_too() -> None:
    rq_queue().enqueue(ADD, 1, job_id="later")
    run_next()
    record_all()
    client().delete(keys.job("later"))  # its result expired, minutes after it ended
    Job.objects.update(seq=F("seq") - 600, tried_seq=F("tried_seq") - 600)
    by_rq()
    record_all()
    assert Job.objects.get(pk="later").state == "queued"
