from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tasks.broker import keys
from tasks.broker.breakers import OpenBreaker, read_holder
from tasks.broker.workers import parse_worker
from tests.engine import client


def parse(text: str) -> tuple[OpenBreaker, ...]:
    return parse_worker(b"rq:worker:w1", {b"ty:breakers": text.encode()}).breakers


def test_a_worker_says_which_tasks_it_holds_back() -> None:
    facts = {"since": 1_700_000_000.5, "failures": 23, "held": 7, "every": 4.0}
    since = datetime.fromtimestamp(1_700_000_000.5, UTC)
    found = parse(json.dumps({"mail": facts}))
    assert found == (OpenBreaker("mail", since, 23, 7, timedelta(seconds=4)),)


@pytest.mark.parametrize(
    "text", ["", "soon", "[]", "[1]", '{"a": 1}', '{"a": {}}', '{"a": {"since": 1e99}}']
)
def test_what_is_not_understood_says_nothing(text: str) -> None:
    assert parse(text) == ()


@pytest.mark.parametrize("text", ["soon w1", "1e99 w1", "w1"])
def test_a_holder_that_is_not_understood_is_none(text: str) -> None:
    client().hset(keys.job("a"), "ty:held", text)
    assert read_holder("a") is None
