"""Jobs of stock RQ clients, which tell the ledger nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from rq import Queue
from rq.job import Job as RQJob
from rq.serializers import JSONSerializer
from rq_scheduler import Scheduler

from tasks.broker import keys
from tasks.broker.delays import Scheduler as OurScheduler
from tasks.broker.reconcile import Mend, Sight, mend
from tasks.broker.wire import PAYLOAD_LIMIT
from tasks.models import Job
from tasks.submission import submit
from tests.comparing import agree, compare, ledger, lose_all
from tests.engine import (
    claim,
    claim_all,
    client,
    push_job,
    record_all,
    run_next,
    status,
    take_back,
    waiting,
)

pytestmark = pytest.mark.django_db(transaction=True)

ADD = "tests.sample.add"


def queue() -> Queue:
    return Queue(connection=client(), serializer=JSONSerializer)


def scheduler() -> Scheduler:
    return Scheduler(queue=queue(), connection=client())


def test_a_job_that_waits_is_adopted() -> None:
    job = queue().enqueue(ADD, 1, b=3, description="from afar")
    assert compare() == 1
    row = ledger(job.id)
    assert (row.state, row.task, row.args, row.kwargs) == ("queued", ADD, [1], {"b": 3})
    assert (row.submitted_by, row.description) == ("rq", "from afar")
    assert compare() == 0
    run_next()
    assert ledger(job.id).state == "finished"


def test_a_delayed_job_is_adopted_with_its_moment() -> None:
    job = queue().enqueue_in(timedelta(hours=1), ADD, 1)
    compare()
    row = ledger(job.id)
    assert row.state == "scheduled"
    assert row.due_at is not None


def test_periodic_entries_of_rq_scheduler_are_left() -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    scheduler().schedule(soon, ADD, args=[1], interval=60)
    assert compare() == 0
    assert Job.objects.count() == 0


def test_a_delayed_job_that_was_canceled_by_rq_scheduler_does_not_run() -> None:
    mine = scheduler()
    job = mine.enqueue_in(timedelta(hours=1), ADD, 1)
    compare()
    record_all()
    mine.cancel(job.id)
    compare()
    assert ledger(job.id).state == "canceled"
    assert status(job.id) == "canceled"
    assert scheduler().count() == 0


def test_a_delayed_job_of_ours_that_rq_scheduler_canceled_does_not_run() -> None:
    job_id = submit(ADD, [1], delay=timedelta(hours=1)).id
    agree()
    scheduler().cancel(job_id)
    assert compare() == 1
    row = ledger(job_id)
    assert (row.state, status(job_id)) == ("canceled", "canceled")
    assert row.message == "It was removed from Redis by another client."
    assert compare() == 0
    assert scheduler().count() == 0


@pytest.mark.parametrize("hours", [1, 3])
@pytest.mark.parametrize("whose", [Scheduler, OurScheduler])
def test_a_moment_that_a_client_changed_is_told(
    whose: type[Scheduler], hours: int
) -> None:
    made = submit(ADD, [1], delay=timedelta(hours=2))
    agree()
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=hours)
    job = RQJob.fetch(made.id, connection=client(), serializer=JSONSerializer)
    whose(connection=client()).change_execution_time(job, due)
    assert compare() == 1
    assert ledger(made.id).due_at == due
    assert compare() == 0
    lose_all()
    compare()
    assert client().zscore(keys.DELAYED, made.id) == due.timestamp()


def test_a_moment_that_no_ledger_can_hold_is_left() -> None:
    made = submit(ADD, [1], delay=timedelta(hours=2))
    agree()
    client().zadd(keys.DELAYED, {made.id: "inf"})
    assert compare() == 0


def test_a_job_that_its_client_canceled_is_canceled_in_the_ledger() -> None:
    job = queue().enqueue(ADD, 1)
    compare()
    record_all()
    job.cancel()
    compare()
    assert ledger(job.id).state == "canceled"


def test_a_failed_job_that_an_rq_client_queues_again_waits_in_the_ledger() -> None:
    job = queue().enqueue(ADD, 1)
    run_next("fail")
    agree()
    job.refresh()
    job.requeue()
    compare()
    assert ledger(job.id).state == "queued"
    claim()
    assert ledger(job.id).attempt_count == 2


def test_a_stock_worker_s_job_that_nobody_believes_in_runs_again() -> None:
    """It died: its job is in no list, and RQ's own readers would fail it."""
    job = queue().enqueue(ADD, 1)
    compare()
    record_all()
    client().lpop(keys.queue("default"))
    client().hset(keys.job(job.id), mapping={"status": "started", "worker_name": "w9"})
    client().zadd(keys.executions(job.id), {"e1": 1})
    client().zadd(keys.wip("default"), {f"{job.id}:e1": 1})
    assert compare() == 1
    client().zadd(keys.lease("default"), {f"{job.id}:e1": 1})
    assert take_back() == [job.id]
    assert waiting() == [job.id]


def test_a_stock_worker_s_job_that_runs_is_started_in_the_ledger() -> None:
    job = queue().enqueue(ADD, 1)
    compare()
    record_all()
    client().lpop(keys.queue("default"))
    client().hset(keys.job(job.id), mapping={"status": "started", "worker_name": "w9"})
    client().zadd(keys.executions(job.id), {"e1": 9e9})
    client().zadd(keys.wip("default"), {f"{job.id}:e1": 9e9})
    compare()
    row = ledger(job.id)
    assert (row.state, row.worker) == ("started", "w9")
    assert claim_all().jobs == []


@pytest.mark.parametrize("has_begun", [True, False])
def test_what_a_dead_stock_worker_had_and_no_ledger_knows_runs_again(
    has_begun: bool,
) -> None:
    """It died with the job, or between taking it and starting it."""
    agree()
    job = queue().enqueue(ADD, 1)
    client().lpop(keys.queue("default"))
    if has_begun:
        client().hset(keys.job(job.id), "status", "started")
        client().zadd(keys.executions(job.id), {"e1": 1})
        client().zadd(keys.wip("default"), {f"{job.id}:e1": 1})
    else:
        client().rpush(keys.intermediate("default"), job.id)
    for _look in range(2):  # it is adopted, and then where it should not be
        assert compare() == 1
        record_all()
    if has_begun:
        client().zadd(keys.lease("default"), {f"{job.id}:e1": 1})
        take_back()
    assert waiting() == [job.id]
    assert client().llen(keys.intermediate("default")) == 0


def test_a_job_that_is_in_the_middle_of_a_long_queue_is_not_queued_twice() -> None:
    """The reading may miss it, where others are canceled meanwhile."""
    job = queue().enqueue(ADD, 1)
    others = [str(number) for number in range(1_500)]
    client().lpush(keys.queue("default"), *others)
    client().rpush(keys.queue("default"), *others)
    assert mend([Mend("queue", job.id, Sight("queued"), seq=0)]) == 0
    assert waiting().count(job.id) == 1


def test_one_larger_than_ours_may_be_is_restored_and_so_are_the_others() -> None:
    job = queue().enqueue(ADD, "x" * PAYLOAD_LIMIT)
    push_job("a")
    record_all()
    compare()
    agree()
    lose_all()
    assert compare() == 2
    assert sorted(waiting()) == sorted(["a", job.id])
