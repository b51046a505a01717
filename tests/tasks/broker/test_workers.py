from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tasks.broker import keys
from tasks.broker.wire import format_date
from tasks.broker.workers import find_worker, parse_worker, tell_worker, worker_names
from tests.engine import client
from tests.listening import listening, register


def test_a_registered_worker_is_found_with_the_time_by_redis() -> None:
    register("w1", hostname="vm-3", pid=7)
    worker, now = find_worker("w1")
    assert worker is not None
    assert (worker.name, worker.host, worker.pid) == ("w1", "vm-3", 7)
    assert abs(now.timestamp() - time.time()) < 5
    assert worker.is_alive(now)


def test_what_is_not_registered_is_no_worker() -> None:
    client().hset(keys.worker("signed-off"), "pid", 7)
    client().sadd(keys.WORKERS, keys.worker("expired"))
    for name in ("signed-off", "expired", "nobody", "a\0b"):
        assert find_worker(name)[0] is None


def test_the_names_of_all_are_listed() -> None:
    register("w2")
    register("w1")
    assert worker_names() == ["w1", "w2"]


@pytest.mark.parametrize(
    ("told", "since"), [("1700000000.5", 1700000000.5), ("", None), ("soon", None)]
)
def test_a_quiet_worker_says_since_when(told: str, since: float | None) -> None:
    worker = parse_worker(b"rq:worker:w1", {b"ty:quiet": told.encode()})
    found = worker.quiet_since.timestamp() if worker.quiet_since else None
    assert (found, worker.is_quiet) == (since, since is not None)


@pytest.mark.parametrize(
    ("verb", "channel", "command"),
    [
        ("quiet", keys.CONTROL, {"command": "quiet", "worker": "w1"}),
        ("wake", keys.CONTROL, {"command": "wake", "worker": "w1"}),
        ("stop", keys.worker_commands("w1"), {"command": "shutdown"}),
    ],
)
def test_a_worker_that_listens_hears_it(
    verb: str, channel: str, command: dict[str, Any]
) -> None:
    with listening("w1") as hear:
        assert tell_worker("w1", verb)
        assert hear() == (channel, command)


def test_nobody_listens() -> None:
    with listening("w2"):
        assert not tell_worker("w1", "quiet")
        assert not tell_worker("w1", "stop")


def test_dates_are_read_as_workers_write_them() -> None:
    _worker, now = find_worker("w1")
    fields = {b"last_heartbeat": format_date(now).encode(), b"version": b"2.12.0"}
    worker = parse_worker(b"rq:worker:w1", fields)
    assert worker.last_heartbeat is not None
    assert not worker.is_ours
    assert json.dumps(worker.name) == '"w1"'
