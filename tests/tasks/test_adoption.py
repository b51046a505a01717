from __future__ import annotations

from typing import Any

import pytest

from tasks.broker import keys
from tasks.broker.events import Event
from tasks.models import Dependency, Job
from tasks.recorder import record
from tests.engine import (
    claim,
    client,
    events,
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
