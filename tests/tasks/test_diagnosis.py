from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from tasks.broker.breakers import Holder
from tasks.broker.snapshot import RedisHealth, Snapshot, WorkerInfo
from tasks.diagnosis import Reason, explain_waiting
from tasks.job_details import Relative
from tasks.models import Job
from tasks.states import WAITING, State
from tests.factories import create_job, create_pause

pytestmark = pytest.mark.django_db

NOW = timezone.now()
SCHEDULER = {"scheduler:vm:1": NOW}


def make_worker(
    queue: str = "default", *, running: int = 0, **fields: Any
) -> WorkerInfo:
    known: dict[str, Any] = {
        "name": "w1",
        "host": "vm",
        "pid": 1,
        "queues": (queue,),
        "state": "busy" if running else "idle",
        "born_at": NOW,
        "last_heartbeat": NOW,
        "version": "taskyard 0",
        "concurrency": 1,
        "running": running,
        "current_job_id": None,
        "successful": 0,
        "failed": 0,
        "rss_bytes": 0,
        "loop_lag": 0.0,
    }
    return WorkerInfo(**{**known, **fields})


def make_snapshot(
    *workers: WorkerInfo, liveness: dict[str, datetime] | None = None
) -> Snapshot:
    health = RedisHealth("Redis", "8", 0, 0, "noeviction", aof=True)
    return Snapshot(NOW, health, (), workers, 0, 0, liveness or {})


def explain(
    job: Job, snapshot: Snapshot | None, parents: Sequence[Relative] = ()
) -> Reason:
    reason = explain_waiting(job, parents, snapshot, NOW)
    assert reason is not None
    return reason


@pytest.mark.parametrize("state", sorted(set(State) - WAITING))
def test_a_job_that_has_begun_waits_for_nothing(state: State) -> None:
    assert explain_waiting(create_job(state=state), [], make_snapshot(), NOW) is None


def test_a_paused_queue_is_the_first_reason() -> None:
    pause = create_pause("low")
    for snapshot in (make_snapshot(make_worker("high")), None):
        reason = explain(create_job(queue="low"), snapshot)
        assert (reason.pause, reason.is_bad) == (pause, False)
        assert reason.sentence == "Its queue low is paused."


def test_a_pause_holds_back_only_what_could_start_and_only_until_its_end() -> None:
    create_pause()
    create_pause("low", until=NOW)
    blocked = explain(create_job(state=State.DEFERRED), make_snapshot())
    free = explain(create_job(queue="low"), make_snapshot(make_worker("low")))
    assert (blocked.pause, free.pause) == (None, None)


def test_a_queue_without_a_worker_names_the_command_that_starts_one() -> None:
    reason = explain(create_job(queue="low"), make_snapshot(make_worker("high")))
    assert reason.is_bad
    assert reason.command.endswith("--queues low")


def test_a_worker_that_fell_silent_does_not_listen() -> None:
    silent = make_worker(last_heartbeat=NOW - timedelta(minutes=5))
    assert explain(create_job(), make_snapshot(silent)).is_bad


def test_jobs_that_came_first_are_counted() -> None:
    for minutes in (5, 6):
        create_job(created_at=NOW - timedelta(minutes=minutes))
    create_job(queue="other", created_at=NOW - timedelta(minutes=7))
    reason = explain(create_job(created_at=NOW), make_snapshot(make_worker(running=1)))
    assert not reason.is_bad
    assert "2 jobs" in reason.sentence


def test_a_busy_worker_and_a_free_one_read_differently() -> None:
    job = create_job()
    busy = explain(job, make_snapshot(make_worker(running=1)))
    free = explain(job, make_snapshot(make_worker()))
    assert busy.sentence != free.sentence


def test_without_redis_nobody_can_say_why_a_job_is_queued() -> None:
    assert explain_waiting(create_job(), [], None, NOW) is None


def test_a_job_waits_for_its_open_parents() -> None:
    parents = [Relative("a", state="started"), Relative("b", state="finished")]
    reason = explain(create_job(state=State.DEFERRED), make_snapshot(), parents)
    assert not reason.is_bad
    assert "one job" in reason.sentence


@pytest.mark.parametrize("state", ["failed", "canceled", "lost", ""])
def test_a_parent_that_did_not_finish_blocks_for_ever(state: str) -> None:
    job = create_job(state=State.DEFERRED)
    assert explain(job, make_snapshot(), [Relative("a", state=state)]).is_bad


def test_a_failed_parent_is_no_obstacle_where_failure_is_allowed() -> None:
    job = create_job(state=State.DEFERRED, allow_failure=True)
    assert not explain(job, make_snapshot(), [Relative("a", state="failed")]).is_bad


def test_a_blocked_job_whose_parents_have_ended_waits_for_no_made_up_one() -> None:
    job = create_job(state=State.DEFERRED)
    ended = explain(job, make_snapshot(), [Relative("a", state="finished")])
    assert "have ended" in ended.sentence
    unknown = explain(job, make_snapshot())
    assert "not known" in unknown.sentence
    assert {ended.is_bad, unknown.is_bad} == {False}


def test_a_parent_that_is_gone_is_not_waited_for() -> None:
    job = create_job(state=State.DEFERRED, allow_failure=True)
    parents = [Relative("a", state="started"), Relative("b")]
    assert "one job" in explain(job, make_snapshot(), parents).sentence


def test_a_delayed_job_without_a_scheduler_is_stuck() -> None:
    job = create_job(state=State.SCHEDULED)
    assert explain(job, make_snapshot()).is_bad
    assert not explain(job, make_snapshot(liveness=SCHEDULER)).is_bad


def test_a_retry_that_waits_is_told_from_a_delay() -> None:
    snapshot = make_snapshot(liveness=SCHEDULER)
    delayed = explain(create_job(state=State.SCHEDULED), snapshot)
    retried = explain(create_job(state=State.SCHEDULED, attempt_count=1), snapshot)
    assert delayed.sentence != retried.sentence


def test_a_queue_whose_workers_are_all_quiet_says_so() -> None:
    job = create_job()
    quiet, awake = make_worker(quiet_since=NOW), make_worker(name="w2")
    reason = explain(job, make_snapshot(quiet))
    assert "was told to be quiet" in reason.sentence
    assert reason.is_bad
    assert "A worker is free" in explain(job, make_snapshot(quiet, awake)).sentence


@pytest.mark.parametrize(("apart", "holds"), [(0.001, True), (5, False)])
def test_a_breaker_holds_a_job_back_until_that_moment_only(
    apart: float, holds: bool
) -> None:
    due = NOW + timedelta(seconds=30)
    job = create_job(state=State.SCHEDULED, due_at=due, task="mail")
    holder = Holder("w1", due + timedelta(seconds=apart))
    reason = explain_waiting(job, [], make_snapshot(liveness=SCHEDULER), NOW, holder)
    assert reason
    words = "held back by the circuit breaker of task mail on worker w1 until"
    assert (words in reason.sentence) == holds
