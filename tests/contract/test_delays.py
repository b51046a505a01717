"""Our delayed jobs and rq-scheduler's, each by the other's API and loop."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import django_rq
import pytest
from django.test import override_settings
from rq import Queue
from rq.job import Job, JobStatus
from rq.scheduler import RQScheduler
from rq.serializers import JSONSerializer, PickleSerializer
from rq_scheduler import Scheduler as StockScheduler

from tasks.broker import keys, stock_locks
from tasks.broker.delays import Scheduler
from tasks.errors import InvalidOption
from tests.conftest import wait_until
from tests.contract.stock import fetch, queue
from tests.engine import (
    client,
    kinds,
    make_due,
    move,
    push_job,
    run_next,
    status,
    waiting,
)
from tests.tasks.worker.running import run_until

ADD = "tests.sample.add"

HOUR = timedelta(hours=1)


def stock() -> StockScheduler:
    return StockScheduler("default", connection=client())


def score(job_id: str) -> float | None:
    found: Any = client().zscore(keys.DELAYED, job_id)
    return found


def moment(job_id: str) -> datetime:
    return datetime.fromtimestamp(score(job_id) or 0, UTC)


# rq-scheduler's clients, our loop.


def test_what_a_stock_client_delays_is_moved_by_ours() -> None:
    made = [
        stock().enqueue_in(HOUR, ADD, 1),
        stock().enqueue_at(datetime.now(UTC) + HOUR, ADD, 1, queue_name="mail"),
        stock().schedule(datetime.now(UTC) + HOUR, ADD, args=[1]),
    ]
    assert move().taken == 0
    for job in made:
        make_due(job.id)
    assert move().taken == 3
    assert sorted(waiting()) == sorted([made[0].id, made[2].id])
    assert waiting("mail") == [made[1].id]


def test_a_stock_client_cancels_and_changes_what_ours_would_move() -> None:
    canceled, changed = (stock().enqueue_in(HOUR, ADD, n) for n in range(2))
    stock().cancel(canceled)
    past = datetime.now(UTC).replace(tzinfo=None) - HOUR
    stock().change_execution_time(changed, past)
    assert (canceled in stock(), changed in stock()) == (False, True)
    move()
    assert waiting() == [changed.id]
    with pytest.raises(ValueError, match="not in scheduled jobs"):
        stock().change_execution_time(changed, past)


# Our scheduler, rq-scheduler's API and loop.


def test_ours_keeps_the_milliseconds_and_writes_json() -> None:
    due = datetime(2037, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)
    job = Scheduler().enqueue_at(due, ADD, 1, b=3)
    assert client().zscore(keys.DELAYED, job.id) == due.timestamp() + 0.0001
    found = fetch(job.id)
    assert (found.args, found.kwargs, found.origin) == ([1], {"b": 3}, "default")
    assert found.get_status() == JobStatus.SCHEDULED


def test_a_naive_moment_is_in_utc_as_in_rq_scheduler() -> None:
    naive = datetime(2037, 1, 2, 3, 4, 5)
    ours, theirs = (one.enqueue_at(naive, ADD, 1) for one in (Scheduler(), stock()))
    assert score(ours.id) == score(theirs.id)


@pytest.mark.parametrize("delay", [0.0, 0.0004, 0.3])
def test_ours_is_never_early(delay: float) -> None:
    before = datetime.now(UTC)
    job = Scheduler().enqueue_in(timedelta(seconds=delay), ADD, 1)
    assert moment(job.id) >= before + timedelta(seconds=delay)
    assert moment(job.id) <= datetime.now(UTC) + timedelta(seconds=delay + 0.001)


def test_options_are_those_of_rq_scheduler() -> None:
    push_job("parent")
    job = Scheduler("mail").enqueue_in(
        HOUR,
        ADD,
        1,
        job_id="chosen",
        timeout=77,
        job_result_ttl=88,
        job_description="from afar",
        meta={"a": [1]},
        depends_on="parent",
        at_front=True,
    )
    found = fetch(job.id)
    assert (found.id, found.timeout, found.result_ttl) == ("chosen", 77, 88)
    assert (found.description, found.meta, found.origin) == (
        "from afar",
        {"a": [1]},
        "mail",
    )
    push_job("first", queue="mail")
    make_due("chosen")
    move()
    assert status("chosen") == "deferred", "it waits for its parent too"
    run_next()
    assert waiting("mail") == ["chosen", "first"], "at the front"


def test_stock_readers_list_ours_and_ours_lists_theirs() -> None:
    ours, theirs = (
        one.enqueue_in(HOUR, ADD, n, meta={"n": n})
        for n, one in enumerate((Scheduler(), stock()))
    )
    for reader in (stock(), Scheduler()):
        listed = dict(reader.get_jobs(with_times=True))
        assert {job.id for job in listed} == {ours.id, theirs.id}
        assert (reader.count(), ours in reader, theirs.id in reader) == (2, True, True)
    assert {job.id for job in Scheduler().get_jobs(until=HOUR / 2)} == set()


def test_a_stock_loop_moves_ours_as_it_does_its_own() -> None:
    """Somebody goes back to rq-scheduler, which reads no JSON."""
    job = Scheduler(serializer=PickleSerializer).enqueue_in(HOUR, ADD, 1)
    client().zadd(keys.DELAYED, {job.id: 1})
    assert stock().acquire_lock()
    stock().enqueue_jobs()
    assert (waiting(), score(job.id)) == ([job.id], None)


def test_schedule_delays_a_single_call() -> None:
    due = datetime(2037, 1, 2, 3, 4, 5, 250_000, tzinfo=UTC)
    job = Scheduler().schedule(due, ADD, args=[1], kwargs={"b": 2})
    assert (moment(job.id), fetch(job.id).kwargs) == (due, {"b": 2})


@pytest.mark.parametrize(
    "repeat",
    [
        lambda one: one.cron("* * * * *", ADD),
        lambda one: one.schedule(datetime.now(UTC), ADD, interval=60),
        lambda one: one.schedule(datetime.now(UTC), ADD, [], {}, 60),
        lambda one: one.schedule(datetime.now(UTC), ADD, interval=60, repeat=2),
    ],
)
def test_repetitions_are_refused_with_what_takes_their_place(
    repeat: Callable[[Scheduler], Job],
) -> None:
    with pytest.raises(InvalidOption, match=r"@task\(schedule=…\)"):
        repeat(Scheduler())
    assert client().zcard(keys.DELAYED) == 0


def test_ours_cancels_and_says_so() -> None:
    job = Scheduler().enqueue_in(HOUR, ADD, 1)
    kept = Scheduler().enqueue_in(HOUR, ADD, 1)
    Scheduler().cancel(job.id)
    assert (status(job.id), score(job.id)) == ("canceled", None)
    assert kinds(job.id) == ["canceled"]
    push_job("waits")
    Scheduler().cancel(fetch("waits"))
    assert status("waits") == "queued", "it waits for no moment"
    Scheduler().cancel(fetch(kept.id))
    assert client().zcard(keys.DELAYED) == 0


def test_ours_changes_a_moment_to_the_millisecond() -> None:
    push_job("a", due_at=datetime.now(UTC) + HOUR)
    due = datetime(2037, 1, 2, 3, 4, 5, 250_000, tzinfo=UTC)
    Scheduler().change_execution_time(fetch("a"), due)
    assert moment("a") == due
    push_job("b")
    with pytest.raises(ValueError, match="not in scheduled jobs"):
        Scheduler().change_execution_time(fetch("b"), due)
    assert score("b") is None


def test_a_queue_s_serializer_is_the_scheduler_s() -> None:
    pickled = Queue(connection=client(), serializer=PickleSerializer)
    job = Scheduler(queue=pickled, connection=client()).enqueue_in(HOUR, ADD, 1)
    assert Job.fetch(job.id, client(), serializer=PickleSerializer).args == (1,)
    chosen = Scheduler(connection=client(), serializer=PickleSerializer)
    job = chosen.enqueue_in(HOUR, ADD, 2)
    assert Job.fetch(job.id, client(), serializer=PickleSerializer).args == (2,)


def test_django_rq_gives_ours_where_its_setting_names_it() -> None:
    named = "tasks.broker.delays.Scheduler"
    with override_settings(RQ={"SCHEDULER_CLASS": named}):
        found = django_rq.get_scheduler("default")
    assert isinstance(found, Scheduler)
    job = found.enqueue_in(HOUR, ADD, 1)
    assert Job.fetch(job.id, client(), serializer=JSONSerializer).args == [1]


# The loop, the lock and the move.


def test_all_that_is_due_is_moved_and_one_before_that() -> None:
    for number in range(250):
        push_job(f"{number}", due_at=datetime.now(UTC) + HOUR)
        make_due(f"{number}")
    push_job("later", due_at=datetime.now(UTC) + HOUR)
    assert Scheduler().enqueue_jobs() == 250
    assert score("later") is not None
    Scheduler().enqueue_job(fetch("later"))
    assert waiting()[-1] == "later"


def test_a_burst_is_one_round() -> None:
    job = Scheduler().enqueue_in(timedelta(0), ADD, 1)
    make_due(job.id)
    Scheduler().run(burst=True)
    assert waiting() == [job.id]
    run_until(lambda: status(job.id) == "finished", children=1)


def test_it_runs_until_it_is_told_to_end() -> None:
    handlers = {number: signal.getsignal(number) for number in (2, 15)}
    job = Scheduler().enqueue_in(timedelta(milliseconds=20), ADD, 1)

    def terminate() -> None:
        wait_until(lambda: waiting() == [job.id])
        os.kill(os.getpid(), signal.SIGTERM)

    try:
        Thread(target=terminate).start()
        Scheduler().run()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert waiting() == [job.id]
    assert not client().keys(keys.STOCK_SCHEDULERS), (
        "the doctor takes it for a stock one"
    )


def test_a_stock_rqscheduler_stands_back() -> None:
    theirs = stock()
    assert Scheduler().acquire_lock()
    assert Scheduler().acquire_lock(), "ours do not wait for each other"
    assert not theirs.acquire_lock()
    theirs.remove_lock()
    assert not theirs.acquire_lock()
    Scheduler().remove_lock()
    assert theirs.acquire_lock()


def test_rq_s_own_schedulers_stand_back() -> None:
    job = queue().enqueue_in(HOUR, ADD, 1)
    client().zadd(keys.scheduled("default"), {job.id: 1})
    early = RQScheduler([queue()], client(), serializer=JSONSerializer)
    assert early.acquire_locks() == {"default"}
    early.register_birth()
    stock_locks.hold(client())
    early.heartbeat()
    assert early.acquired_locks == set(), "one that was there first notices"
    early.enqueue_scheduled_jobs()
    late = RQScheduler([queue()], client(), serializer=JSONSerializer)
    assert late.acquire_locks() == set()
    late.enqueue_scheduled_jobs()
    assert waiting() == []
    assert queue().scheduler_pid is None, "RQ's readers are not confused"
    stock_locks.release(client())
    assert late.acquire_locks() == {"default"}
