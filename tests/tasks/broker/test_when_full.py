"""Redis at maxmemory: what it holds goes on, to the end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from tasks.broker import jobs, keys, pauses, renewal, upkeep
from tasks.broker.attempts import Claimed, Said
from tasks.broker.engine import Engine
from tasks.broker.events import EventReader
from tasks.broker.scripts import invoke
from tasks.errors import BrokerUnavailable
from tests.engine import (
    claim,
    claim_all,
    client,
    end_leases,
    events,
    kinds,
    make_due,
    move,
    push_job,
    run_next,
    settle,
    status,
    take_back,
    waiting,
)

Full = Callable[[], None]


@pytest.fixture
def fill(full_redis: None) -> Full:
    """Redis is full from the call on; before, tests write what they need."""
    client().config_set("maxmemory", 0)

    def fill_up() -> None:
        client().config_set("maxmemory", 1)

    return fill_up


def ask(what: Callable[[Engine], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        engine = Engine("w1", "host", ["default"])
        try:
            return await what(engine)
        finally:
            await engine.close()

    return asyncio.run(run())


def claimed(fill: Full, **fields: Any) -> Claimed:
    push_job("a", **fields)
    job = claim()
    fill()
    return job


def test_it_is_full(full_redis: None) -> None:
    with pytest.raises(redis.exceptions.OutOfMemoryError):
        client().set("x", "y")


def test_no_job_can_be_pushed(full_redis: None) -> None:
    with pytest.raises(BrokerUnavailable):
        push_job("a")
    assert client().dbsize() == 0


# Workers.


def test_jobs_are_claimed(fill: Full) -> None:
    push_job("a")
    fill()
    assert claim().id == "a"
    assert status("a") == "started"
    assert client().zcard(keys.lease("default")) == 1


def test_entries_that_lead_to_no_job_do_not_stop_the_claim(fill: Full) -> None:
    client().set(keys.job("bad"), "no hash")
    client().rpush(keys.queue("default"), "bad", "ghost")
    push_job("a")
    fill()
    assert [job.id for job in claim_all().jobs] == ["a"]


@pytest.mark.parametrize(
    ("verb", "state"),
    [("finish", "finished"), ("fail", "failed"), ("handback", "queued")],
)
def test_attempts_end(fill: Full, verb: str, state: str) -> None:
    job = claimed(fill)
    assert settle(job, verb) == state
    assert status("a") == state
    assert kinds("a")[-1] in (state, "handedback")


def test_a_retry_waits_for_its_moment(fill: Full) -> None:
    job = claimed(fill, retries=1)
    assert settle(job, "fail", retry_after=9) == "scheduled"
    assert client().zscore(keys.scheduled("default"), "a") is not None


def test_an_end_releases_children(fill: Full) -> None:
    push_job("a")
    push_job("b", depends_on=["a"])
    job = claim()
    fill()
    settle(job)
    assert waiting() == ["b"]


def test_leases_are_renewed(fill: Full) -> None:
    job = claimed(fill)
    end_leases_soon()
    assert ask(lambda engine: engine.renew([job])) == set()
    assert lease_left(job) > 10


def test_leases_are_renewed_beside_a_blocked_loop(fill: Full) -> None:
    job = claimed(fill)
    end_leases_soon()
    renewal.renew_blocking([job])
    assert lease_left(job) > 10


def end_leases_soon() -> None:
    client().config_set("maxmemory", 0)
    for member in client().zrange(keys.lease("default"), 0, -1):
        client().zadd(keys.lease("default"), {member: time.time() + 1})
    client().config_set("maxmemory", 1)


def lease_left(job: Claimed) -> float:
    return float(client().zscore(keys.lease("default"), job.member)) - time.time()


def test_rqs_heartbeat_is_written(fill: Full) -> None:
    job = claimed(fill)
    before = client().hget(keys.job("a"), "last_heartbeat")
    ask(lambda engine: engine.beat([job]))
    assert client().hget(keys.job("a"), "last_heartbeat") > before


def test_the_worker_says_that_it_is_there_idle_and_gone(full_redis: None) -> None:
    key = keys.worker("w1")
    ask(lambda engine: engine.register({"state": "busy", "current_job": "a"}))
    assert client().hget(key, "state") == b"busy"
    ask(lambda engine: engine.note_idle())
    assert client().hmget(key, "state", "current_job") == [b"idle", None]
    renewal.report_block("w1", {"ty:blocked_task": "t"})
    assert client().hget(key, "ty:blocked_task") == b"t"
    ask(lambda engine: engine.deregister("then"))
    assert client().hget(key, "death") == b"then"
    assert client().smembers(keys.WORKERS) == set()


def test_progress_is_noted_and_lines_are_dropped_with_a_word(
    fill: Full, caplog: pytest.LogCaptureFixture
) -> None:
    job = claimed(fill)
    said = Said(job, '{"done": 1}')
    with caplog.at_level(logging.WARNING):
        ask(lambda engine: engine.say([Said(job, "line", 1.0)], [said]))
    assert client().hget(keys.job("a"), "ty:progress") == b'{"done": 1}'
    assert not client().exists(keys.log("a"))
    assert "1 log lines are dropped: Redis is full" in caplog.text


def test_a_wait_for_work_ends_soon_as_the_server_refuses_it(full_redis: None) -> None:
    began = time.monotonic()
    assert ask(lambda engine: engine.wait_for_work("default")) is False
    assert 0.05 < time.monotonic() - began < 1


def test_children_of_many_are_released(fill: Full) -> None:
    push_job("a")
    for n in range(60):
        push_job(f"c{n}", depends_on=["a"])
    job = claim()
    fill()
    settle(job)
    assert len(waiting()) == 50
    ask(lambda engine: engine.release_children())
    assert len(waiting()) == 60


# Operators.


@pytest.mark.parametrize("waits", ["queued", "scheduled", "deferred", "created"])
def test_a_waiting_job_is_canceled(fill: Full, waits: str) -> None:
    push_job("parent")
    options: dict[str, Any] = {"depends_on": ["parent"]} if waits == "deferred" else {}
    push_job("a", **options)
    if waits in ("scheduled", "created"):
        client().lrem(keys.queue("default"), 0, "a")
        client().hset(keys.job("a"), "status", waits)
    fill()
    assert jobs.cancel("a", "mara") == (True, waits)


def test_a_failed_job_is_queued_again(fill: Full) -> None:
    push_job("a")
    run_next("fail")
    fill()
    assert jobs.retry("a", "mara") == (True, "queued")
    assert waiting() == ["a"]


def test_a_queue_is_paused(full_redis: None) -> None:
    pauses.write_pauses({"queue:default": ""}, ())
    assert pauses.read_pauses() == {"queue:default": ""}


# The scheduler and the recorder.


def test_a_dead_workers_job_is_taken_back(fill: Full) -> None:
    claimed(fill)
    client().config_set("maxmemory", 0)
    end_leases()
    fill()
    assert take_back("default") == ["a"]
    assert waiting() == ["a"]


def test_due_jobs_are_moved_behind_one_that_is_not_written(fill: Full) -> None:
    push_job("a", due_at=datetime.now(UTC) + timedelta(hours=1))
    make_due("a")
    client().zadd(keys.DELAYED, {"unwritten": 0})
    fill()
    assert move()[0] == 2
    assert waiting() == ["a"]


def test_signs_of_life_are_written(full_redis: None) -> None:
    upkeep.note_liveness("scheduler")
    assert client().hlen(keys.LIVENESS) == 1
    upkeep.forget_liveness("scheduler")
    upkeep.forget_expired("default")
    upkeep.forget_workers()


def test_events_are_read_and_acknowledged(fill: Full) -> None:
    push_job("a")
    fill()
    reader = EventReader("r1")
    assert reader.read(0) == [], "there was no group"
    found = reader.read(0)
    assert [event.id for event in found] == ["a"]
    reader.acknowledge(found)
    assert events() == []


def test_events_of_a_dead_recorder_are_taken_over(fill: Full) -> None:
    push_job("a")
    reader = EventReader("r1")
    reader.read(0)
    assert reader.read(0)
    fill()
    entries = client().xautoclaim(keys.EVENTS, keys.EVENTS_GROUP, "r2", 0, count=9)
    assert len(entries[1]) == 1


def test_a_plain_command_goes_through_with_its_answer(full_redis: None) -> None:
    args = (3, "SET", "x", "y", 2, "GET", "x")
    assert invoke(client(), "write", (), args) == [b"OK", b"y"]
