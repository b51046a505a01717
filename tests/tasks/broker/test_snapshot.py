from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tasks.broker import keys, upkeep
from tasks.broker.snapshot import (
    Progress,
    WorkerInfo,
    parse_progress,
    read_progress,
    read_snapshot,
)
from tasks.broker.wire import format_date
from tests.engine import claim, client, push_job, run_next

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def worker(version: str = "taskyard 0.1", age: float = 0) -> WorkerInfo:
    beat = NOW - timedelta(seconds=age)
    return WorkerInfo(
        "w", "h", 1, (), "idle", None, beat, version, 1, 0, None, 0, 0, 0, 0
    )


def test_an_empty_redis_is_a_snapshot_too() -> None:
    snapshot = read_snapshot()
    assert (snapshot.queues, snapshot.workers, snapshot.events_lag) == ((), (), 0)
    assert snapshot.redis.product == "Valkey"
    assert snapshot.redis.policy == "noeviction"
    assert snapshot.redis.aof


def test_each_queue_says_what_waits_and_runs() -> None:
    for job_id in ("a", "b", "c"):
        push_job(job_id)
    push_job("child", depends_on=["c"])
    claim()
    (queue,) = read_snapshot().queues
    assert (queue.name, queue.waiting, queue.running) == ("default", 2, 1)
    assert (queue.deferred, queue.oldest_id) == (1, "b")
    assert queue.oldest_enqueued_at is not None


def test_delayed_jobs_and_unrecorded_events_are_counted() -> None:
    push_job("a", due_at=datetime.now(UTC) + timedelta(hours=1))
    snapshot = read_snapshot()
    assert (snapshot.delayed, snapshot.events_lag) == (1, 1)


def test_a_worker_is_read_from_its_hash() -> None:
    key = keys.worker("w1")
    client().sadd(keys.WORKERS, key)
    fields = {
        "hostname": "vm-3",
        "pid": "42",
        "queues": "high,low",
        "state": "busy",
        "last_heartbeat": format_date(NOW),
        "version": "taskyard 0.1",
        "ty:concurrency": "1004",
        "ty:loop_lag": "0.0012",
        "ty:loop_lag_minute": "0.4",
        "ty:blocked_since": f"{NOW.timestamp():.3f}",
        "ty:blocked_job": "j1",
    }
    client().hset(key, mapping=fields)
    (found,) = read_snapshot().workers
    assert (found.name, found.host, found.pid) == ("w1", "vm-3", 42)
    assert (found.queues, found.concurrency) == (("high", "low"), 1004)
    assert (found.last_heartbeat, found.loop_lag) == (NOW, 0.0012)
    assert (found.loop_lag_minute, found.is_slow) == (0.4, True)
    assert found.blocked_since
    assert abs(found.blocked_since - NOW) < timedelta(milliseconds=1)
    assert (found.blocked_job_id, found.blocked_task) == ("j1", "")


def test_a_worker_with_garbage_in_its_hash_is_shown_all_the_same() -> None:
    key = keys.worker("w1")
    client().sadd(keys.WORKERS, key, keys.worker("gone"))
    client().hset(key, mapping={"pid": "x", "birth": "x", "ty:rss": "nan"})
    client().hset(key, mapping={"ty:concurrency": "inf", "ty:blocked_since": "1e30"})
    (found,) = read_snapshot().workers
    assert (found.pid, found.born_at, found.rss_bytes) == (0, None, 0)


def test_ours_is_lost_after_three_missed_beats() -> None:
    assert worker(age=15).is_alive(NOW)
    assert not worker(age=16).is_alive(NOW)


def test_a_stock_worker_beats_less_often() -> None:
    assert worker(version="2.12.0", age=400).is_alive(NOW)
    assert not worker(version="2.12.0", age=481).is_alive(NOW)


def test_processes_say_that_they_are_well() -> None:
    upkeep.note_liveness("scheduler")
    (name,) = read_snapshot().liveness
    assert name.startswith("scheduler:")
    upkeep.forget_liveness("scheduler")
    assert read_snapshot().liveness == {}


def test_reading_changes_nothing() -> None:
    push_job("a")
    job = claim()
    client().zadd(keys.wip("default"), {job.member: 1})  # looks expired to RQ
    before = {key: client().dump(key) for key in client().keys("*")}
    read_snapshot()
    read_progress(["a"])
    assert {key: client().dump(key) for key in client().keys("*")} == before


def test_progress_is_read_where_a_job_said_some() -> None:
    push_job("a")
    push_job("b")
    client().hset(keys.job("a"), "ty:progress", '{"done": 1, "total": 4, "text": "x"}')
    client().set(keys.job("broken"), "x")
    assert read_progress(["a", "b", "broken", "gone"]) == {"a": Progress(1, 4, "x")}


def test_garbage_is_no_progress() -> None:
    for text in ("", "[]", "{}", '{"done": "x"}', '{"done": null}', "nonsense"):
        assert parse_progress(text) is None


def test_the_part_done_is_known_where_the_total_is() -> None:
    assert Progress(1, 4, "").percent == 25
    assert Progress(1, None, "").percent is None
    assert Progress(9, 4, "").percent == 100


def test_a_finished_job_is_waited_for_no_more() -> None:
    push_job("a")
    run_next()
    (queue,) = read_snapshot().queues
    assert (queue.waiting, queue.running, queue.oldest_id) == (0, 0, None)
