from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from tasks import actions, reconcile
from tasks.broker import keys
from tasks.broker.push import score_of
from tasks.models import Attempt, Epoch, Job
from tasks.policy import Actor
from tasks.reconcile import Reconciler
from tasks.registry import FAIL, HOLD, registry
from tasks.stored_words import RETRY
from tasks.submission import submit
from tests.comparing import AT_ONCE, agree, compare, ledger, lose_all, restart
from tests.engine import (
    claim,
    client,
    end_leases,
    events,
    move,
    record_all,
    run_next,
    status,
    take_back,
    waiting,
)
from tests.sample import add, add_async

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


def doubt_long_ago() -> None:
    """Let what Redis lost have been noticed a minute ago."""
    Epoch.objects.update(doubted_at=timezone.now() - timedelta(minutes=1))


def test_an_empty_redis_is_refilled_from_the_ledger() -> None:
    parent, *others = [submit(add, [number], retries=1).id for number in range(4)]
    child = submit(add, [1], depends_on=[parent]).id
    due = datetime.now(UTC) + HOUR
    delayed = submit(add_async, [1], at=due).id
    agree()
    lose_all()
    assert compare() == 6
    assert waiting() == [parent, *others]
    assert client().zscore(keys.DELAYED, delayed) == float(score_of(due))
    assert status(child) == "deferred"
    run_next()
    assert waiting() == [*others, child]
    assert ledger(parent).state == "finished"


def test_what_ran_when_redis_lost_it_runs_again() -> None:
    job_id = submit(add, [1]).id
    claim()
    agree()
    lose_all()
    assert compare() == 1
    assert claim().attempt == 2
    row = ledger(job_id)
    assert (row.state, row.attempt_count) == ("started", 2)
    first = Attempt.objects.get(number=1)
    assert (first.state, first.error) == ("canceled", "RedisLostData")


@pytest.mark.parametrize(("wish", "state"), [(FAIL, "failed"), (HOLD, "lost")])
def test_what_must_not_run_twice_does_not(
    wish: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = submit(add, [1]).id
    claim()
    agree()
    lose_all()
    task = registry.get(add.task.name)
    monkeypatch.setitem(task.__dict__, "on_worker_lost", wish)
    assert compare() == 1
    assert (waiting(), status(job_id)) == ([], "")
    assert ledger(job_id).state == state


def test_a_job_whose_arguments_redis_alone_knew_is_canceled_in_words() -> None:
    job_id = submit(add, [1]).id
    record_all()
    Job.objects.update(unreadable="pickled")
    agree()
    lose_all()
    compare()
    row = ledger(job_id)
    assert (row.state, row.message) == (
        "canceled",
        "Redis lost it, and only Redis knew its arguments.",
    )


def test_after_a_restart_nothing_is_taken_for_deleted() -> None:
    job_id = submit(add, [1]).id
    agree()
    restart()
    client().delete(keys.job(job_id), keys.queue("default"))
    compare()
    assert waiting() == [job_id]


def test_a_loss_is_written_down_until_redis_has_been_refilled() -> None:
    submit(add, [1])
    agree()
    lose_all()
    compare()
    assert Epoch.objects.get().lost_at is not None
    assert Epoch.objects.get().value != client().get(keys.EPOCH).decode()
    doubt_long_ago()
    record_all()
    compare()
    epoch = Epoch.objects.get()
    assert (epoch.lost_at, epoch.doubted_at) == (None, None)
    assert epoch.value == client().get(keys.EPOCH).decode()


def test_a_doubt_outlasts_what_recorders_had_read_before() -> None:
    """They may yet record events of the old data, whose jobs are to be restored too."""
    agree()
    lose_all()
    compare()
    for seconds, stays in ((5, True), (15, False)):
        since = timezone.now() - timedelta(seconds=seconds)
        Epoch.objects.update(doubted_at=since, lost_at=since)
        compare()
        assert (Epoch.objects.get().doubted_at is not None) is stays


def test_a_restart_is_no_loss() -> None:
    agree()
    restart()
    compare()
    assert Epoch.objects.get().lost_at is None
    doubt_long_ago()
    compare()
    assert Epoch.objects.get().doubted_at is None


def test_a_doubt_stays_while_something_could_not_be_judged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    submit(add, [1])
    agree()
    lose_all()
    doubt_long_ago()
    client().xadd(keys.EVENTS, {"id": "x"}, id="1-0")  # nobody records it
    monkeypatch.setattr(reconcile, "PATIENCE", timedelta(0))
    compare()
    assert Epoch.objects.get().doubted_at is not None
    assert waiting() == []


def test_a_stream_that_went_back_is_a_loss() -> None:
    agree()
    Epoch.objects.update(entry="9999999999999-0")
    compare()
    assert Epoch.objects.get().lost_at is not None


# Whose turn it is.


def test_one_scheduler_compares_each_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    start = now = timezone.now()
    begun: list[datetime] = []

    def run(_self: object) -> list[None]:
        begun.append(now)
        return []

    monkeypatch.setattr(reconcile.Comparison, "run", run)
    schedulers = [Reconciler(lambda: now, AT_ONCE) for _each in range(3)]
    for seconds in range(0, 190, 1):
        now = start + timedelta(seconds=seconds)
        for one in schedulers:
            one.step()
    gaps = [b - a for a, b in pairwise(begun)]
    # Each has just started and hurries; then one in turn.
    assert len(begun) == 5
    assert max(gaps) < timedelta(seconds=62)


def test_a_loss_is_compared_at_once() -> None:
    job_id = submit(add, [1]).id
    agree()
    clock = [timezone.now()]
    one = Reconciler(lambda: clock[0], AT_ONCE)
    for _step in range(10):
        one.step()
    lose_all()
    clock[0] += timedelta(seconds=6)
    for _step in range(10):
        one.step()
    assert waiting() == [job_id]


def test_a_comparison_that_broke_off_begins_anew() -> None:
    agree()
    one = Reconciler(delays=AT_ONCE)
    one._steps = iter_that_fails()
    with pytest.raises(ZeroDivisionError):
        one.step()
    one.step()
    assert events() == []


def iter_that_fails() -> Iterator[None]:
    if events() == []:
        raise ZeroDivisionError
    yield


def retries_left(job_id: str) -> int:
    return int(client().hget(keys.job(job_id), "retries_left") or 0)


def fail_next(error: str = "ValueError") -> None:
    run_next("fail", retry_after=0, facts={"error": error})


@pytest.mark.parametrize("runs", [False, True])
def test_a_restored_job_goes_on_with_the_retries_that_it_had_left(runs: bool) -> None:
    first = submit(add, [1], retries=3).id
    second = submit(add, [2], retries=3).id
    fail_next()
    fail_next()
    move()
    fail_next()
    move()
    if runs:
        claim()
    agree()
    left = {job_id: retries_left(job_id) for job_id in (first, second)}
    assert sum(left.values()) == 3
    lose_all()
    assert compare() == 2
    assert {job_id: retries_left(job_id) for job_id in (first, second)} == left


def test_what_still_runs_keeps_its_retries_too() -> None:
    job_id = submit(add, [1], retries=2).id
    fail_next()
    move()
    claim()
    agree()
    client().delete(keys.job(job_id))
    assert compare() == 1
    assert (status(job_id), retries_left(job_id)) == ("started", 1)


def test_retries_that_came_before_an_operators_do_not_count() -> None:
    job_id = submit(add, [1], retries=1).id
    for _try in range(2):
        fail_next()
        move()
    record_all()
    actions.retry(Actor("ada", "web"), job_id)
    agree()
    assert retries_left(job_id) == 1
    lose_all()
    assert compare() == 1
    assert retries_left(job_id) == 1


def test_what_cost_no_retry_is_not_counted() -> None:
    job_id = submit(add, [1], retries=1).id
    run_next("again", retry_after=0, facts={"error": RETRY})
    move()
    claim()
    end_leases()
    take_back()
    run_next("handback")
    agree()
    assert Attempt.objects.count() == 3
    lose_all()
    assert compare() == 1
    assert retries_left(job_id) == 1
