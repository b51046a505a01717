from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tasks import recovery
from tasks.actions import retry, run_again
from tasks.admission import FULL_AT, has_room_for_accepted, require_room
from tasks.broker import keys
from tasks.broker.memory import Gauge, Memory, gauge, read_memory
from tasks.broker.wire import Envelope
from tasks.conf import NO_LEDGER
from tasks.errors import BrokerFull, BrokerUnavailable
from tasks.models import Audit, Job
from tasks.policy import CODE
from tasks.registry import Call
from tasks.states import State
from tasks.submission import submit, submit_many
from tests.engine import client, push_job, record_all, run_next, waiting
from tests.factories import create_job
from tests.sample import add

pytestmark = pytest.mark.django_db(transaction=True)

MB = 1024**2

Fill = Callable[[float], None]


@pytest.fixture
def fill() -> Iterator[Fill]:
    """Have Redis use so large a share of what it may."""

    def fill_to(share: float) -> None:
        client().config_set("maxmemory", int(read_memory().used_bytes / share))
        gauge.forget()

    yield fill_to
    client().config_set("maxmemory", 0)


def info_calls() -> int:
    found: Any = client().info("commandstats")
    return int(found["cmdstat_info"]["calls"])


# The doors.


@pytest.mark.parametrize(
    "door",
    [
        lambda: submit(add, [1]),
        lambda: add.submit(1),
        lambda: submit_many([Call(add.task, (n,)) for n in range(3)]),
    ],
)
def test_new_jobs_are_refused_before_anything_is_written(
    fill: Fill, door: Callable[[], object]
) -> None:
    fill(FULL_AT + 0.05)
    with pytest.raises(BrokerFull):
        door()
    assert Job.objects.count() == 0
    assert client().dbsize() == 0


def test_the_error_names_use_limit_and_the_way_out() -> None:
    assert str(BrokerFull(int(16.4 * MB), 20 * MB)) == (
        "Redis uses 16.4 of the 20.0 MB that maxmemory allows, so new jobs are refused"
        " while those it has go on: raise maxmemory, keep results for a shorter time,"
        " or submit again when jobs have ended."
    )


def test_jobs_are_taken_below_the_share(fill: Fill) -> None:
    fill(FULL_AT - 0.1)
    job_id = submit(add, [1]).id
    assert waiting() == [job_id]


def test_a_process_without_ledger_refuses_too(
    fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(NO_LEDGER, "1")
    fill(FULL_AT + 0.05)
    with pytest.raises(BrokerFull):
        submit(add, [1])
    assert client().dbsize() == 0


def test_run_again_is_refused_without_a_trace(fill: Fill) -> None:
    job = create_job(state=State.FAILED)
    fill(FULL_AT + 0.05)
    with pytest.raises(BrokerFull):
        run_again(CODE, job.id)
    assert (Job.objects.count(), Audit.objects.count()) == (1, 0)


def test_a_retry_that_must_push_anew_is_refused_and_another_is_not(fill: Fill) -> None:
    forgotten = create_job(state=State.FAILED)
    kept = submit(add, [1]).id
    run_next("fail")
    record_all()
    fill(FULL_AT + 0.05)
    with pytest.raises(BrokerFull):
        retry(CODE, forgotten.id)
    assert Audit.objects.count() == 0
    assert retry(CODE, kept).state == State.QUEUED


def test_a_repeat_by_its_key_is_answered(fill: Fill) -> None:
    first = submit(add, [1], idempotency_key="k")
    fill(FULL_AT + 0.05)
    again = submit(add, [1], idempotency_key="k")
    assert (again.id, again.created) == (first.id, False)
    with pytest.raises(BrokerFull):
        submit(add, [1], idempotency_key="other")


def test_many_are_refused_whole_where_they_would_not_fit(fill: Fill) -> None:
    fill(FULL_AT - 0.05)
    with pytest.raises(BrokerFull):
        submit_many([Call(add.task, (n,)) for n in range(1_000)])
    assert Job.objects.count() == 0


# What was accepted before.


def test_accepted_jobs_wait_for_room_and_are_pushed_then(fill: Fill) -> None:
    job = create_job(state=State.CREATED)
    fill(0.95)
    assert recovery.push_unconfirmed() == 0
    assert waiting() == []
    fill(FULL_AT + 0.05)
    assert recovery.push_unconfirmed() == 1
    assert waiting() == [job.id]


# The reading.


def test_redis_is_asked_once_a_second_however_many_are_submitted(fill: Fill) -> None:
    fill(0.1)
    before = info_calls()
    for number in range(20):
        submit(add, [number])
    assert info_calls() - before <= 2  # and one of these is the test's own


def test_a_redis_that_is_away_refuses_nothing() -> None:
    def away() -> Memory:
        raise BrokerUnavailable("gone")

    assert Gauge(ask=away).read() is None


def test_a_redis_without_limit_refuses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauge, "_last", Memory(10**12, 0))
    require_room([envelope()])
    assert has_room_for_accepted()


def test_a_reading_serves_for_a_second_and_what_is_sent_is_added() -> None:
    now, answers = [0.0], iter([Memory(10, 100), Memory(50, 100)])
    one = Gauge(ask=lambda: next(answers), clock=lambda: now[0])
    assert one.read() == Memory(10, 100)
    one.add(5)
    now[0] = 0.9
    assert one.read() == Memory(15, 100)
    now[0] = 1.1
    assert one.read() == Memory(50, 100)


def test_who_comes_while_another_asks_does_not_wait() -> None:
    inner: list[Memory | None] = []
    took: list[float] = []

    def ask() -> Memory:
        began = time.monotonic()
        inner.append(one.read())
        took.append(time.monotonic() - began)
        return Memory(1, 2)

    one = Gauge(ask=ask)
    assert one.read() == Memory(1, 2)
    assert inner == [None]
    assert took[0] < 0.5


def test_the_reading_is_what_the_server_counts() -> None:
    before = read_memory()
    push_job("a", kwargs={"a": "x" * 100_000})
    after = read_memory()
    assert after.max_bytes == 0
    assert after.used_bytes > before.used_bytes
    assert client().exists(keys.job("a"))


def envelope() -> Envelope:
    return Envelope(id="a", task="t", path="t", queue="default")
