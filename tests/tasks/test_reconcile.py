from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tasks.broker import keys
from tasks.broker.push import score_of
from tasks.broker.scripts import invoke
from tasks.models import Attempt
from tasks.submission import submit
from tests.comparing import agree, compare, ledger
from tests.engine import (
    claim,
    claim_all,
    client,
    end_leases,
    events,
    move,
    record_all,
    run_next,
    settle,
    status,
    take_back,
    waiting,
)
from tests.sample import add

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


def submit_all(count: int = 3) -> list[str]:
    return [submit(add, [number]).id for number in range(count)]


def test_where_nothing_is_wrong_nothing_is_done() -> None:
    agree()
    parent = submit(add, [1])
    submit(add, [1], depends_on=[parent])
    submit(add, [1], delay=HOUR)
    submit(add, [1], queue="mail", retries=1)
    run_next("fail", "mail", retry_after=60)
    submit(add, [1])
    claim()
    record_all()
    before = {name: client().dump(name) for name in client().keys("*")}
    assert compare() == 0
    assert events() == []
    after = {name: client().dump(name) for name in client().keys("*")}
    assert after == before


def test_more_jobs_that_wait_cost_no_more_commands() -> None:
    """Up to a page of them; then each page costs as much."""
    agree()
    spent = []
    for count in (10, 40):
        submit_all(count)
        record_all()
        before = client().info("stats")["total_commands_processed"]
        assert compare() == 0
        spent.append(client().info("stats")["total_commands_processed"] - before)
    assert spent[0] == spent[1]


# Keys that are gone.


def test_jobs_of_a_list_that_is_gone_wait_again_in_their_order() -> None:
    ids = submit_all()
    agree()
    client().delete(keys.queue("default"), keys.QUEUES)
    assert compare() == 3
    assert waiting() == ids
    assert client().smembers(keys.QUEUES) == {b"rq:queue:default"}
    record_all()
    assert compare() == 0


def test_a_job_whose_hash_is_gone_is_written_again() -> None:
    (job_id,) = submit_all(1)
    agree()
    client().delete(keys.job(job_id))
    assert compare() == 1
    assert claim().raw("data")
    assert claim_all().jobs == []
    assert ledger(job_id).state == "started"


def test_a_job_whose_entry_a_claim_dropped_is_pushed_again() -> None:
    (job_id,) = submit_all(1)
    agree()
    client().delete(keys.job(job_id))
    assert claim_all().jobs == []
    assert compare() == 1
    assert waiting() == [job_id]
    assert client().scard(keys.MISSING) == 0


@pytest.mark.parametrize("key", [keys.DELAYED, keys.MISSING])
def test_a_delayed_job_that_is_in_no_set_waits_until_it_is_due(key: str) -> None:
    due = datetime.now(UTC) + HOUR
    job_id = submit(add, [1], at=due).id
    agree()
    client().delete(keys.DELAYED)
    if key == keys.MISSING:  # its hash too, which a move had found
        client().delete(keys.job(job_id))
        client().sadd(key, job_id)
    assert compare() == 1
    assert client().zscore(keys.DELAYED, job_id) == float(score_of(due))
    assert (status(job_id), waiting()) == ("scheduled", [])


def test_an_entry_that_a_move_dropped_is_remembered() -> None:
    job_id = submit(add, [1], delay=HOUR).id
    agree()
    client().delete(keys.job(job_id))
    for _look in range(2):
        client().zadd(keys.DELAYED, {job_id: 1})
        move()
    assert client().smembers(keys.MISSING) == {job_id.encode()}


def test_a_retry_that_is_in_no_set_comes_when_it_was_due() -> None:
    job_id = submit(add, [1], retries=1).id
    run_next("fail", retry_after=60)
    agree()
    due = client().zscore(keys.scheduled("default"), job_id)
    client().delete(keys.scheduled("default"))
    assert compare() == 1
    assert client().zscore(keys.scheduled("default"), job_id) == due


def test_a_child_whose_set_is_gone_runs_after_its_parent() -> None:
    parent = submit(add, [1]).id
    child = submit(add, [1], depends_on=[parent]).id
    agree()
    client().delete(
        keys.deferred("default"), keys.dependents(parent), keys.dependencies(child)
    )
    compare()
    assert client().zscore(keys.deferred("default"), child)
    run_next()
    assert waiting() == [child]


def test_a_child_that_its_parent_s_end_did_not_find_is_released() -> None:
    parent = submit(add, [1]).id
    child = submit(add, [1], depends_on=[parent]).id
    client().delete(keys.dependents(parent))
    run_next()
    record_all()
    assert waiting() == []
    assert compare() == 1
    assert waiting() == [child]
    assert ledger(child).state == "queued"


def test_a_child_of_a_failed_parent_goes_on_waiting() -> None:
    parent = submit(add, [1]).id
    submit(add, [1], depends_on=[parent])
    run_next("fail")
    agree()


def test_jobs_run_on_whose_lease_keys_are_gone() -> None:
    (job_id,) = submit_all(1)
    job = claim()
    agree()
    zsets = (keys.lease("default"), keys.wip("default"))
    for zset in (*zsets, zsets):
        client().delete(*(zset if isinstance(zset, tuple) else (zset,)))
        assert invoke(client(), "renew", zsets, (15, job.member)) == []
    assert settle(job) == "finished"
    assert ledger(job_id).attempt_count == 1


def test_a_job_that_a_dead_worker_ran_without_a_lease_runs_again() -> None:
    (job_id,) = submit_all(1)
    claim()
    agree()
    client().delete(keys.lease("default"), keys.QUEUES)
    assert compare() == 1
    assert take_back() == [job_id]
    assert waiting() == [job_id]
    assert ledger(job_id).state == "queued"
    assert Attempt.objects.get().state == "lost"


def test_the_hash_of_a_running_job_is_written_again() -> None:
    (job_id,) = submit_all(1)
    job = claim()
    agree()
    client().delete(keys.job(job_id))
    assert compare() == 1
    assert settle(job) == "finished"
    row = ledger(job_id)
    assert (row.state, row.attempt_count) == ("finished", 1)


@pytest.mark.parametrize("is_settled", [True, False])
def test_a_job_whose_hash_went_while_it_ran_runs_again(*, is_settled: bool) -> None:
    (job_id,) = submit_all(1)
    job = claim()
    agree()
    client().delete(keys.job(job_id))
    if is_settled:
        assert settle(job) == "superseded"
    else:
        end_leases()
        take_back()
    assert compare() == 1
    assert (waiting(), claim().attempt) == ([job_id], 2)
    assert ledger(job_id).state == "started"
    assert Attempt.objects.get(number=1).state == "canceled"


def test_what_the_lost_stream_told_is_told_again() -> None:
    done, failed, child = submit_all()
    agree()
    run_next(result="[1]")
    run_next("fail", traceback="Traceback\nValueError: no luck")
    claim()
    client().delete(keys.EVENTS)
    assert compare() == 3
    row = ledger(done)
    assert (row.state, row.result) == ("finished", "[1]")
    row = ledger(failed)
    assert (row.state, row.error, row.message) == ("failed", "ValueError", "no luck")
    assert ledger(child).state == "started"
    assert [attempt.state for attempt in Attempt.objects.order_by("started_at")] == [
        "finished",
        "failed",
        "started",
    ]


def test_an_entry_that_was_dropped_with_reason_is_forgotten() -> None:
    (job_id,) = submit_all(1)
    run_next()
    record_all()
    client().sadd(keys.MISSING, job_id, "unknown")
    compare()
    assert client().scard(keys.MISSING) == 0
