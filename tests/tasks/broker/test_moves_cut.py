"""Moves that are cut off, or raced by somebody else: no job is lost, none moves twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from tasks.broker import jobs, keys, moves
from tasks.broker.delays import Scheduler
from tasks.broker.mover import Mover
from tasks.broker.moves import AT_ONCE, Moves
from tasks.broker.scripts import Invocation, invoke_many
from tasks.errors import BrokerUnavailable
from tests.conftest import wait_until
from tests.contract.stock import fetch
from tests.engine import (
    claim_all,
    client,
    make_due,
    move,
    push_job,
    run_next,
    status,
    waiting,
)
from tests.tasks.broker.test_moves import BURST, burst, calls_until, delay

HOUR = timedelta(hours=1)


class Killed(BaseException):
    """The process is gone, wherever it was."""


def killed_after(commands: int) -> Callable[..., list[Any]]:
    """Return a way to Redis for so many commands; then the process is killed."""
    left = commands

    def send(connection: redis.Redis, invocations: Sequence[Invocation]) -> list[Any]:
        nonlocal left
        some = invocations[:left]
        left -= len(some)
        answers = invoke_many(connection, some) if some else []
        if len(some) < len(invocations) or not left:
            raise Killed
        return answers

    return send


@pytest.mark.parametrize("commands", range(8))
def test_a_mover_that_is_killed_between_two_commands_loses_nothing(
    commands: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a burst: a move, and a search beside it. With a meta that must be judged."""
    delay("other", ["000-first", "burst-02000-x"], 100)
    client().hset(keys.job("000-first"), "meta", b'{"note": "interval"}')
    client().hdel(keys.job("000-first"), "ty:task")
    burst()
    with monkeypatch.context() as patched:
        patched.setattr(moves, "invoke_many", killed_after(commands))
        with pytest.raises(Killed):
            calls_until(Moves(), "none", 1)
    after = Moves()
    while after.make(client()).wait is not None:
        pass
    assert len(waiting("burst")) == len(set(waiting("burst"))) == BURST
    assert sorted(waiting("other")) == ["000-first", "burst-02000-x"]
    assert client().zcard(keys.DELAYED) == 0


def test_a_redis_that_was_restarted_within_a_burst_is_no_hindrance() -> None:
    """It has forgotten the scripts, and closed the connections."""
    burst()
    made = Moves()
    for _call in range(3):
        made.make(client())
    client().script_flush()
    client().connection_pool.disconnect()
    calls_until(made, "burst", BURST)
    assert len(set(waiting("burst"))) == BURST


def test_an_outage_within_a_burst_is_waited_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    burst(count=2 * AT_ONCE)
    made = Mover()
    made.step()

    def refuse(*_asked: object) -> list[Any]:
        raise redis.ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(moves, "invoke_many", refuse)
        with pytest.raises(BrokerUnavailable):
            made.step()

    def has_moved() -> bool:
        made.step()
        return len(waiting("burst")) == 2 * AT_ONCE

    wait_until(has_moved)


@pytest.mark.parametrize("ours", [True, False])
def test_a_cancel_that_comes_before_the_move_wins(ours: bool) -> None:
    push_job("a", due_at=datetime.now(UTC) + HOUR)
    make_due("a")
    if ours:
        jobs.cancel("a", "mara")
    else:
        Scheduler().cancel("a")
    assert move().taken == 0
    assert (status("a"), waiting()) == ("canceled", [])


def test_a_cancel_that_comes_after_the_move_still_holds() -> None:
    push_job("a", due_at=datetime.now(UTC) + HOUR)
    make_due("a")
    move()
    jobs.cancel("a", "mara")
    assert (status("a"), waiting()) == ("canceled", [])
    assert claim_all().jobs == []


def test_a_cancel_by_our_scheduler_is_raced_by_the_move(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It saw the job in the set; when it acts, that is in its queue."""
    push_job("a", due_at=datetime.now(UTC) + HOUR)
    make_due("a")

    def look(_self: Scheduler, _job: object) -> bool:
        move()
        return True

    monkeypatch.setattr(Scheduler, "__contains__", look)
    Scheduler().cancel("a")
    assert (status("a"), waiting()) == ("canceled", [])


def test_what_was_put_off_while_it_was_due_waits_for_its_new_moment() -> None:
    push_job("a", due_at=datetime.now(UTC) + HOUR)
    make_due("a")
    Scheduler().change_execution_time(fetch("a"), datetime.now(UTC) + HOUR)
    assert (move().taken, status("a")) == (0, "scheduled")


def test_a_delayed_job_of_a_paused_queue_waits_there_and_runs_afterwards() -> None:
    push_job("a", due_at=datetime.now(UTC) + HOUR)
    make_due("a")
    client().hset(keys.PAUSES, "queue:default", "")
    move()
    assert (status("a"), waiting()) == ("queued", ["a"])
    assert claim_all().jobs == []
    client().delete(keys.PAUSES)
    run_next()
    assert status("a") == "finished"


def test_a_delayed_job_waits_in_a_queue_that_nobody_has_served_yet() -> None:
    push_job("a", queue="nobody", due_at=datetime.now(UTC) + HOUR)
    make_due("a")
    client().srem(keys.QUEUES, keys.queue("nobody"))
    move()
    assert waiting("nobody") == ["a"]
    assert client().sismember(keys.QUEUES, keys.queue("nobody")), "it is shown"
