"""What nobody should have put into a queue: each ends as one clearly failed attempt."""

from __future__ import annotations

import json
import pickle
import zlib
from dataclasses import dataclass, field
from typing import Any

import pytest
from rq.job import Job as RqJob
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer

from tasks.broker import keys
from tasks.models import Attempt, Job
from tasks.states import State
from tests.conftest import wait_until
from tests.engine import client, events, kinds, record_all, status, take_back
from tests.integration.conftest import START, Fleet
from tests.integration.misfits import expect_work, push, returned

pytestmark = pytest.mark.integration

MULTIPLY = "tests.plain.multiply"

#: Opcodes of msgpack for ["tests.plain.multiply", nil, [2, 3], {}].
MSGPACK = b"\x94\xb4" + MULTIPLY.encode() + b"\xc0\x92\x02\x03\x80"


@dataclass(frozen=True)
class Bad:
    """A hash in a queue, and how its one attempt must fail."""

    error: str
    reason: str
    fields: dict[str, Any] = field(default_factory=dict)


def call(path: object, *args: Any, **kwargs: Any) -> dict[str, bytes]:
    return packed([path, None, list(args), kwargs])


def packed(value: object) -> dict[str, bytes]:
    return {"data": zlib.compress(json.dumps(value).encode())}


HALF_WRITTEN = {"status": b"queued", "timeout": b"180", "created_at": b"\xff\xfe\x00"}

BAD = {
    "only-a-status": Bad("PayloadUnreadable", "not a call"),
    "binary": Bad("PayloadUnreadable", "not a call", {"data": b"\x00\xff\x9c\x01" * 9}),
    "cut-off": Bad("PayloadUnreadable", "not a call", {"data": b"x\x9c\x03\x00\x00"}),
    "packed-junk": Bad(
        "PayloadUnreadable", "not a call", {"data": zlib.compress(b"\xff\x00" * 99)}
    ),
    "bomb": Bad(
        "PayloadUnreadable", "more than 32 MB", {"data": zlib.compress(b" " * 2**26)}
    ),
    "pickled": Bad(
        "PayloadPickled",
        "is pickled",
        {"data": zlib.compress(pickle.dumps((MULTIPLY, None, (2, 3), {})))},
    ),
    "msgpack": Bad("PayloadUnreadable", "not a call", {"data": zlib.compress(MSGPACK)}),
    "no-list": Bad("PayloadUnreadable", "not a call", packed({"a": 1})),
    "deep": Bad(
        "PayloadUnreadable", "not a call", {"data": zlib.compress(b"[" * 100_000)}
    ),
    "too-short": Bad("PayloadUnreadable", "not a call", packed([MULTIPLY, None])),
    "no-path": Bad("PayloadUnreadable", "not the call", call(7)),
    "on-an-object": Bad("PayloadUnreadable", "not the call", packed(["f", {}, [], {}])),
    "args-no-list": Bad(
        "PayloadUnreadable", "not the call", packed([MULTIPLY, None, "23", {}])
    ),
    "not-admitted": Bad("FunctionNotRegistered", "os.getpid", call("os.getpid")),
    "no-function": Bad("FunctionNotRegistered", "nothing", call("tests.plain.nothing")),
    "no-module": Bad("ModuleNotFoundError", "absent", call("tests.absent.multiply")),
    "exits-at-import": Bad("SystemExit", "3", call("tests.leaver.multiply")),
    "too-few": Bad("TypeError", "'b'", call(MULTIPLY, 2)),
    "unfit": Bad("InvalidArguments", "a", call("tests.sample.add", a="one")),
    "unfit-async": Bad("InvalidArguments", "c", call("tests.sample.add_async", 1, c=2)),
}


def push_hash(job_id: str | bytes, fields: dict[str, Any]) -> None:
    """Put a hash into the default queue, as another client would."""
    key = keys.job("").encode() + (
        job_id.encode() if isinstance(job_id, str) else job_id
    )
    client().hset(key, mapping={**HALF_WRITTEN, **fields})
    client().sadd(keys.QUEUES, keys.queue("default"))
    client().rpush(keys.queue("default"), job_id)


def ended(job_id: str) -> bool:
    return status(job_id) in ("finished", "failed", "stopped")


def expect_all_ended(*job_ids: str) -> None:
    wait_until(lambda: all(ended(job_id) for job_id in job_ids), START)
    assert take_back("default") == []


def failures() -> dict[str, tuple[str, str]]:
    """Return error and reason of the failed attempts in the ledger."""
    rows = Attempt.objects.filter(state=State.FAILED)
    return {row.job_key: (row.error, row.message) for row in rows}


@pytest.mark.django_db
def test_garbage_fails_with_its_reason_and_takes_nothing_with_it(
    misfits_fleet: Fleet,
) -> None:
    for job_id, bad in BAD.items():
        push_hash(job_id, bad.fields)
    push_hash("good", call(MULTIPLY, 2, 3))
    worker = misfits_fleet.worker("--children", "1")
    expect_all_ended(*BAD, "good")
    assert status("good") == "finished"
    assert all(kinds(job_id) == ["started", "failed"] for job_id in BAD)
    registry = FailedJobRegistry(connection=client(), serializer=JSONSerializer)
    assert set(registry.get_job_ids()) == set(BAD)
    for job_id, bad in BAD.items():
        result = RqJob(job_id, client(), serializer=JSONSerializer).latest_result()
        assert result
        assert bad.error in result.exc_string
    record_all()
    found = failures()
    assert {job_id: error for job_id, (error, _reason) in found.items()} == {
        job_id: bad.error for job_id, bad in BAD.items()
    }
    for job_id, bad in BAD.items():
        assert bad.reason in found[job_id][1], job_id
    assert Attempt.objects.count() == len(BAD) + 1
    expect_work(worker)


#: Fields that say nothing usable: the job runs all the same, by the defaults.
ODD_FIELDS = {
    "timeout": {"timeout": "soon"},
    "timeout-nan": {"timeout": "nan"},
    "result-ttl": {"result_ttl": "nan"},
    "failure-ttl": {"failure_ttl": "-inf"},
    "retries": {"retries_left": "many", "retry_intervals": "{"},
    "created": {"created_at": "yesterday", "enqueued_at": b"\xff"},
    "holder": {"ty:exec": "z", "ty:progress": "x", "ty:due": "y"},
    "kind": {"ty:kind": "neither"},
    "meta": {"meta": b"\x80junk", "group_id": b"\xff"},
}


def test_fields_that_say_nothing_do_not_stop_a_job(misfits_fleet: Fleet) -> None:
    for job_id, fields in ODD_FIELDS.items():
        push_hash(job_id, {**call(MULTIPLY, 2, 3), **fields})
    worker = misfits_fleet.worker("--children", "1")
    expect_all_ended(*ODD_FIELDS)
    assert {job_id: status(job_id) for job_id in ODD_FIELDS} == dict.fromkeys(
        ODD_FIELDS, "finished"
    )
    expect_work(worker)


@pytest.mark.django_db
def test_entries_that_nobody_can_run_are_told_of(misfits_fleet: Fleet) -> None:
    client().set(keys.job("text"), "no hash")
    client().rpush(keys.queue("default"), "text", "gone", "")
    push_hash(b"\xff\xfe", call(MULTIPLY, 2, 3))
    push_hash("counted", {**call(MULTIPLY, 2, 3), "ty:attempts": "x", "ty:seq": "y"})
    worker = misfits_fleet.worker("--children", "1")
    expect_work(worker)
    assert client().llen(keys.queue("default")) == 0
    broken = [event for event in events() if event["error"] == "BrokenJob"]
    reasons = {event.id: event["message"] for event in broken}
    assert reasons["text"] == "The key of the job is no hash."
    assert "The id of the job is no text." in reasons.values()
    assert "a count of the job is no number: x" in reasons["counted"]
    assert [kinds("text"), kinds("counted"), kinds("gone")] == [["failed"]] * 2 + [[]]
    record_all()
    assert Job.objects.get(id="text").error == "BrokenJob"


RESULTS = {
    "give_object": ("ResultUnusable", "cannot be written as JSON"),
    "give_itself": ("ResultUnusable", "Circular reference"),
    "give_itself_async": ("ResultUnusable", "Circular reference"),
    "give_megabytes": ("ResultUnusable", "takes 50 MB"),
    "give_megabytes_async": ("ResultUnusable", "takes 50 MB"),
}


@pytest.mark.django_db
def test_a_result_that_cannot_be_kept_fails_its_job(misfits_fleet: Fleet) -> None:
    worker = misfits_fleet.worker("--children", "1")
    for name in RESULTS:
        arguments = {"megabytes": 50} if "megabytes" in name else {}
        push(name, "async" if name.endswith("async") else "sync", **arguments)
    push("give_half_a_surrogate", "sync")
    push("give_no_number", "sync")
    expect_all_ended(*RESULTS, "give_half_a_surrogate", "give_no_number")
    record_all()
    found = failures()
    assert {name: error for name, (error, _reason) in found.items()} == {
        name: error for name, (error, _reason) in RESULTS.items()
    }
    assert all(RESULTS[name][1] in reason for name, (_error, reason) in found.items())
    assert [returned("give_half_a_surrogate"), str(returned("give_no_number"))] == [
        "half \ud83d\0",
        "nan",
    ]
    expect_work(worker)
