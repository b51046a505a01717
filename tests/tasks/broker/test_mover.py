"""The loop that moves due jobs: its bell, and the locks of stock schedulers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from tasks.broker import keys, mover, stock_locks
from tasks.broker.mover import COARSE, LOOK_EVERY, Bell, Mover
from tests.engine import client, make_due, push_job, run_next, waiting


@pytest.fixture
def rings() -> Iterator[Any]:
    """Return how often the bell rang since it was last asked."""
    with client().pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(keys.SOON)
        pubsub.get_message(timeout=1)

        def count() -> int:
            found = 0
            client().ping()
            while pubsub.get_message(timeout=0.01):
                found += 1
            return found

        yield count


def delay(job_id: str, seconds: float) -> None:
    push_job(job_id, due_at=datetime.now(UTC) + timedelta(seconds=seconds))


def test_it_asks_again_when_the_next_job_is_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mover, "LOOK_EVERY", 3600)
    delay("a", 60)
    assert Mover().step() == pytest.approx(60, abs=30)
    assert waiting() == []


def test_it_asks_again_at_once_where_more_is_due() -> None:
    for number in range(101):
        delay(f"{number}", 3600)
        make_due(f"{number}")
    assert [Mover().step() for _ in range(2)] == [0.0, LOOK_EVERY]
    assert len(waiting()) == 101


def test_the_bell_rings_for_what_is_due_before_the_next_look(rings: Any) -> None:
    delay("soon", 0.15)
    assert rings() == 1
    delay("later", 3600)
    assert rings() == 0


def test_the_bell_does_not_ring_for_what_follows_something_that_is_due_soon(
    rings: Any,
) -> None:
    delay("first", 0.15)
    assert rings() == 1
    seconds, micros = client().time()
    client().zadd(keys.DELAYED, {"first": f"{seconds + micros / 1e6 + 0.1:.3f}"})
    delay("soon", 0.19)
    assert rings() == 0


def test_the_bell_rings_for_a_retry_that_comes_soon(rings: Any) -> None:
    push_job("a", retries=1)
    run_next("fail", retry_after=0.1)
    assert rings() == 1


def test_a_ring_ends_the_wait() -> None:
    bell = Bell(client())
    assert not bell.wait(COARSE * 2)  # it listens from now on, and hears that it does
    for _ring in range(3):
        client().publish(keys.SOON, "1")
    assert bell.wait(3600)
    assert not bell.wait(COARSE * 2), "several are one"
    client().publish(keys.SOON, "1")
    assert bell.wait(3600)
    bell.close()


def test_rq_s_sets_are_looked_into_now_and_then_and_when_it_rings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There is one for each queue: looking at all for each job would take long."""
    monkeypatch.setattr(mover, "LOOK_EVERY", 3600)
    made = Mover()
    made.step()
    push_job("retried", retries=1)
    run_next("fail", retry_after=60)
    make_due("retried", keys.scheduled("default"))
    delay("own", 3600)
    make_due("own")
    made.step()
    assert waiting() == ["own"]
    made.step(is_rung=True)
    assert waiting() == ["own", "retried"]


def test_what_is_due_in_rq_s_sets_is_looked_for_when_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mover, "LOOK_EVERY", 3600)
    push_job("retried", retries=1)
    run_next("fail", retry_after=60)
    made = Mover()
    assert made.step() == pytest.approx(60, abs=30)
    assert made.step() == pytest.approx(60, abs=30), "it is remembered"


def test_a_bell_that_cannot_be_heard_is_waited_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(mover.time, "sleep", slept.append)
    bell = Bell(redis.Redis(port=1))
    assert not bell.wait(3600)
    assert slept[-1] == pytest.approx(3600, abs=600)
    assert not bell.wait(COARSE / 2)
    assert 0 <= slept[-1] <= COARSE / 2


def test_it_stops_and_gives_the_locks_back() -> None:
    push_job("a")
    made = Mover()
    made.step()
    assert client().get(keys.stock_lock("default")) == b"taskyard"
    made.run(lambda: True)
    assert client().exists(keys.STOCK_LOCK, keys.stock_lock("default")) == 0


def test_the_locks_are_taken_from_others_and_never_given_back_for_them() -> None:
    push_job("a")
    for key in (keys.STOCK_LOCK, keys.stock_lock("default")):
        client().set(key, "theirs")
    stock_locks.hold(client())
    assert client().get(keys.STOCK_LOCK) == b"taskyard"
    assert 0 < client().ttl(keys.stock_lock("default")) <= stock_locks.ENDS_AFTER
    client().set(keys.STOCK_LOCK, "theirs")
    stock_locks.release(client())
    assert client().get(keys.STOCK_LOCK) == b"theirs"
    assert client().exists(keys.stock_lock("default")) == 0


@pytest.mark.usefixtures("full_redis")
def test_the_locks_are_held_while_redis_is_full() -> None:
    stock_locks.hold(client())
    assert client().get(keys.STOCK_LOCK) == b"taskyard"
