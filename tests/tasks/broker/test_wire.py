from __future__ import annotations

import json
import pickle
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rq.job import Job
from rq.serializers import JSONSerializer

from tasks.broker import wire
from tasks.broker.wire import (
    LONGEST_BACKOFF,
    PAYLOAD_LIMIT,
    UNPACKED_LIMIT,
    Envelope,
    PayloadUnreadable,
    ResultUnusable,
    decode_result,
    encode_result,
    longest_delay,
    pack_call,
    pack_traceback,
    unpack_call,
)
from tasks.errors import PayloadTooLarge
from tests.engine import client, push_job

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.lists(json_values), st.dictionaries(st.text(), json_values))
def test_a_call_comes_back_as_it_was(args: list[Any], kwargs: dict[str, Any]) -> None:
    assert unpack_call(pack_call("m.f", args, kwargs)) == ("m.f", args, kwargs)


def test_rq_reads_what_was_pushed() -> None:
    push_job("a", args=[1], kwargs={"b": "é"}, description="two", timeout=7)
    job = Job.fetch("a", connection=client(), serializer=JSONSerializer)
    assert (job.func_name, job.args, job.kwargs) == (
        "tests.sample.add",
        [1],
        {"b": "é"},
    )
    assert (job.description, job.timeout, job.origin) == ("two", 7, "default")
    assert job.get_status() == "queued"


def test_rq_reads_parents_and_retries() -> None:
    push_job("parent")
    push_job("a", depends_on=["parent"], retries=3, backoff=2, allow_failure=True)
    job = Job.fetch("a", connection=client(), serializer=JSONSerializer)
    assert job._dependency_ids == ["parent"]
    assert (job.retries_left, job.retry_intervals) == (3, [2, 4, 8])
    assert job.allow_dependency_failures


def test_a_large_call_is_refused_with_the_way_out() -> None:
    with pytest.raises(PayloadTooLarge) as caught:
        pack_call("m.f", ["x" * PAYLOAD_LIMIT], {})
    assert str(caught.value) == (
        "The arguments take 257 KB; at most 256 KB are accepted. Write the data to a"
        " file or a table and pass its path or id instead."
    )


def test_a_call_of_just_the_limit_is_accepted() -> None:
    frame = len(json.dumps(["m.f", None, [""], {}]))
    pack_call("m.f", ["x" * (PAYLOAD_LIMIT - frame)], {})
    with pytest.raises(PayloadTooLarge):
        pack_call("m.f", ["x" * (PAYLOAD_LIMIT - frame + 1)], {})


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("it was unpickled",))


@pytest.mark.parametrize("compressed", [True, False])
def test_pickled_data_is_never_loaded(compressed: bool) -> None:
    data = pickle.dumps(("m.f", None, (Bomb(),), {}))
    with pytest.raises(PayloadUnreadable, match="The job is pickled"):
        unpack_call(zlib.compress(data) if compressed else data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[1, 2]",
        b'["f", null, {}, []]',
        b'["f", "instance", [], {}]',
        b"[1, null, [], {}]",
        b"[" * 100_000,
    ],
    ids=["empty", "bytes", "null", "short", "swapped", "method", "number", "deep"],
)
def test_garbage_is_unreadable(data: bytes) -> None:
    with pytest.raises(PayloadUnreadable):
        unpack_call(data)


@given(st.binary())
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for form in (data, zlib.compress(data)):
        try:
            unpack_call(form)
        except PayloadUnreadable:
            continue


def test_a_small_payload_cannot_unpack_to_gigabytes() -> None:
    data = zlib.compress(b" " * (UNPACKED_LIMIT + 1))
    with pytest.raises(PayloadUnreadable, match="more than 32 MB"):
        unpack_call(data)


@given(json_values)
def test_a_result_comes_back_as_it_was(value: Any) -> None:
    assert decode_result(encode_result(value)) == value


def test_a_result_may_hold_what_pydantic_can_write() -> None:
    text = encode_result({"at": datetime(2026, 1, 2, tzinfo=UTC), "ids": {1}})
    assert decode_result(text) == {"at": "2026-01-02T00:00:00Z", "ids": [1]}


@pytest.mark.parametrize("value", [object(), {(1, 2): 3}], ids=["object", "key"])
def test_a_result_that_is_no_json_is_unusable(value: object) -> None:
    with pytest.raises(ResultUnusable, match="cannot be written as JSON"):
        encode_result(value)


def test_a_result_that_contains_itself_is_unusable() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ResultUnusable):
        encode_result(endless)


def test_a_large_result_is_refused_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "RESULT_LIMIT", 1024**2)
    with pytest.raises(ResultUnusable) as caught:
        encode_result("x" * 1024**2)
    assert str(caught.value) == (
        "The return value takes 1 MB as JSON; at most 1 MB are kept. Write it to a file"
        " or a table and return its path or id."
    )


def test_a_traceback_with_halves_of_characters_can_be_packed() -> None:
    packed, _text = pack_traceback("\ud800 no")
    assert zlib.decompress(packed) == b"? no"


def test_the_back_off_doubles_up_to_an_hour() -> None:
    assert [longest_delay(5, n) for n in (1, 2, 3)] == [5, 10, 20]
    assert longest_delay(5, 1_000_000) == LONGEST_BACKOFF


def test_stock_workers_get_whole_intervals() -> None:
    envelope = Envelope("a", "t", "p", "q", retries=3, backoff=0.4)
    assert wire.retry_intervals(envelope) == [0, 1, 2]


def test_dates_are_rq_s_own() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert wire.format_date(moment) == "2026-01-02T03:04:05.000006Z"
    assert wire.parse_date(wire.format_date(moment)) == moment
    assert wire.parse_date(b"yesterday") is None
    assert wire.parse_date(b"\xff") is None


@given(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)))
def test_a_date_comes_back_as_it_was(moment: datetime) -> None:
    aware = moment.replace(tzinfo=UTC)
    assert wire.parse_date(wire.format_date(aware)) == aware


def test_the_scripts_write_dates_that_rq_reads() -> None:
    push_job("a")
    job = Job.fetch("a", connection=client(), serializer=JSONSerializer)
    assert job.enqueued_at is not None
    written = job.enqueued_at.replace(tzinfo=UTC)
    assert abs(written - datetime.now(UTC)) < timedelta(seconds=60)


@pytest.mark.parametrize(("name", "told"), [("m.f", "="), ("mail.send", "mail.send")])
def test_a_name_that_the_call_says_is_not_said_twice(name: str, told: str) -> None:
    envelope = Envelope(id="a", task=name, path="m.f", queue="default")
    assert envelope.shared_fields()["ty:task"] == told
