from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import recorder
from tasks.broker import keys
from tasks.broker.events import Event
from tasks.broker.jobs import cancel, retry
from tasks.models import Attempt, Job
from tasks.recorder import record
from tasks.states import State, can_follow
from tests.engine import (
    claim,
    client,
    end_leases,
    events,
    make_due,
    move,
    push_job,
    run_next,
    settle,
    take_back,
)

pytestmark = pytest.mark.django_db


def a_long_life() -> list[Event]:
    """Return the events of a job to which everything happened."""
    push_job("a", retries=1)
    settle(claim(), "handback")
    late = claim()
    end_leases()
    take_back("default")
    settle(late, facts={"error": "late"})
    facts = {"error": "ValueError", "message": "no luck", "traceback": "Traceback"}
    settle(claim(), "fail", retry_after=60, facts=facts)
    make_due("a", keys.scheduled("default"))
    move()
    settle(claim(), "stop", facts={"error": "Stopped"})
    retry("a", "mara")
    cancel("a", "mara")
    retry("a", "mara")
    settle(claim(), result="3", facts={"result": "3", "result_size": 1})
    return events()


def a_deadly_life() -> list[Event]:
    """Return the events of a job that was held, quarantined, and put back each time."""
    push_job("a", on_worker_lost="hold")
    late = claim()
    end_leases()
    take_back("default")
    retry("a", "mara")
    alone = claim()
    settle(late)
    facts = {"error": "ProcessDied", "message": "signal 9", "traceback": "Traceback"}
    for _copy in range(2):
        settle(alone, "quarantine", facts=facts)
    retry("a", "mara")
    settle(claim(), result="3", facts={"result": "3", "result_size": 1})
    return events()


def rows() -> dict[str, Any]:
    (job,) = Job.objects.filter(pk="a").values()
    return {"job": job, "attempts": list(Attempt.objects.order_by("pk").values())}


def recorded(found: list[Event]) -> dict[str, Any]:
    Job.objects.all().delete()
    Attempt.objects.all().delete()
    record(found)
    return rows()


def test_a_life_is_recorded_to_its_end() -> None:
    record(a_long_life())
    job = Job.objects.get()
    assert (job.state, job.result, job.worker) == ("finished", "3", "w1")
    assert (job.error, job.message) == ("", "")
    assert job.started_at is not None
    assert job.ended_at is not None
    assert job.started_at <= job.ended_at


def test_every_try_is_an_attempt_with_its_end() -> None:
    record(a_long_life())
    attempts = Attempt.objects.order_by("started_at")
    assert [attempt.state for attempt in attempts] == [
        "canceled",
        "lost",
        "failed",
        "stopped",
        "finished",
    ]
    assert [attempt.superseded for attempt in attempts].count(True) == 1
    assert attempts[2].traceback == "Traceback"


def test_any_order_with_repetitions_ends_in_the_same_rows() -> None:
    life = a_long_life()
    expected = recorded(life)

    @given(order=st.randoms(use_true_random=False), copies=st.integers(1, 3))
    @settings(max_examples=30, deadline=None)
    def check(order: random.Random, copies: int) -> None:
        shuffled = life * copies
        order.shuffle(shuffled)
        assert recorded(shuffled) == expected

    check()


def a_stock_life() -> list[Event]:
    """Return the events of a stock client's job that failed once and was canceled."""
    fields = {
        "data": b'["a.b", null, [1], {}]',
        "status": "queued",
        "origin": "default",
    }
    times = dict.fromkeys(["created_at", "enqueued_at"], "2026-01-02T03:04:05.000000Z")
    client().hset(keys.job("a"), mapping={**fields, **times, "retries_left": "1"})
    client().rpush(keys.queue("default"), "a")
    settle(claim(), "fail", retry_after=60, facts={"error": "ValueError"})
    cancel("a", "mara")
    return events()


@pytest.mark.parametrize("live", [a_long_life, a_deadly_life, a_stock_life])
def test_two_recorders_write_the_same_rows_however_they_share_the_events(
    live: Callable[[], list[Event]],
) -> None:
    """Each has some of a job's events, and either may commit first, or twice.

    The life is also cut short anywhere: its last event must not hide what earlier ones
    should have left.
    """
    life = live()
    lives = [life[: end + 1] for end in range(len(life))]
    expected = [recorded(events) for events in lives]

    @given(
        end=st.integers(0, len(life) - 1),
        batches=st.lists(st.integers(0, 5), min_size=len(life), max_size=len(life)),
        order=st.permutations(range(6)),
    )
    @settings(max_examples=200, deadline=None)
    def check(end: int, batches: list[int], order: list[int]) -> None:
        Job.objects.all().delete()
        Attempt.objects.all().delete()
        for number in [*order, order[0]]:
            shared = zip(lives[end], batches, strict=False)
            record([event for event, batch in shared if batch == number])
        assert rows() == expected[end]

    check()


def test_many_jobs_are_recorded_portion_by_portion_each_as_a_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recorder, "PORTION", 4)
    for number in range(10):
        push_job(f"a{number}")
        run_next()
    found = events()
    portions = [{event.id for event in p} for p in recorder._portions(found)]
    assert [len(ids) for ids in portions] == [2] * 5
    assert set.union(*portions) == {event.id for event in found}
    record(found)
    assert Job.objects.filter(state="finished").count() == 10


def test_what_was_recorded_changes_by_no_event_that_comes_again() -> None:
    life = a_long_life()
    expected = recorded(life)
    for event in life:
        record([event])
    assert rows() == expected


@pytest.mark.parametrize("live", [a_long_life, a_deadly_life])
def test_every_change_of_state_that_the_scripts_tell_is_allowed(
    live: Callable[[], list[Event]],
) -> None:
    life = live()
    states = [State.CREATED, *(State(event["state"]) for event in life)]
    steps = [
        (old, new)
        for event, old, new in zip(life, states, states[1:], strict=False)
        if event["kind"] != "superseded"
    ]
    assert [step for step in steps if not can_follow(*step)] == []


def test_every_event_has_the_next_number() -> None:
    numbers = [int(event["seq"]) for event in a_long_life()]
    assert numbers == list(range(1, len(numbers) + 1))
