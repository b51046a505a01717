from __future__ import annotations

from tasks.broker import keys
from tasks.broker.losses import SEVERED, SWEPT_AT_ONCE, sweep
from tasks.broker.scripts import invoke
from tests.engine import (
    claim,
    claim_all,
    client,
    end_leases,
    events,
    push_job,
    settle,
    status,
    take_back,
    waiting,
)


def test_a_job_whose_lease_ended_is_next_in_line() -> None:
    push_job("a")
    push_job("b")
    claim()
    end_leases()
    assert take_back("default") == ["a"]
    assert waiting() == ["a", "b"]
    assert claim().attempt == 2


def test_a_live_lease_is_left_alone() -> None:
    push_job("a")
    claim()
    assert take_back("default") == []
    assert status("a") == "started"


def test_the_loss_is_told_with_worker_and_execution() -> None:
    push_job("a")
    job = claim(worker="w7")
    end_leases()
    take_back("default")
    event = events()[-1]
    assert (event["kind"], event["state"], event["exec"]) == (
        "lost",
        "queued",
        job.execution,
    )
    assert event["message"] == "worker w7 stopped answering"


def test_nothing_of_the_lost_run_is_left() -> None:
    push_job("a")
    job = claim()
    end_leases()
    take_back("default")
    assert client().zcard(keys.lease("default")) == 0
    assert client().zcard(keys.wip("default")) == 0
    assert client().zcard(keys.executions("a")) == 0
    assert not client().exists(keys.execution("a", job.execution))


def test_a_lease_that_another_attempt_replaced_takes_nothing_back() -> None:
    push_job("a")
    old = claim()
    settle(old, "handback")
    new = claim()
    client().zadd(keys.lease("default"), {old.member: 1})
    assert take_back("default") == []
    assert client().hget(keys.job("a"), "ty:exec") == new.execution.encode()


def test_a_lease_without_a_job_is_dropped() -> None:
    client().zadd(keys.lease("default"), {"gone:1": 1, "nonsense": 1})
    assert take_back("default") == []
    assert client().zcard(keys.lease("default")) == 0


def test_one_garbage_job_does_not_hold_up_the_sweep() -> None:
    push_job("bad")
    push_job("good")
    claim_all()
    client().hset(keys.job("bad"), "ty:seq", "many")
    end_leases()
    assert "good" in take_back("default")


def test_an_id_with_a_colon_is_taken_back() -> None:
    push_job("stock:7")
    claim()
    end_leases()
    assert take_back("default") == ["stock:7"]


def test_each_call_is_bounded_and_a_sweep_goes_on_to_the_end() -> None:
    for number in range(120):
        push_job(f"j{number}")
    claim_all(sync=200, most=200)
    end_leases()
    args = ("default", SWEPT_AT_ONCE, "", 1, "")
    assert invoke(client(), "sweep", (), args)[0] == SWEPT_AT_ONCE
    assert len(take_back("default")) == 120 - SWEPT_AT_ONCE


def test_a_sweep_of_what_is_known_to_be_dead_leaves_the_rest() -> None:
    push_job("a")
    push_job("b")
    dead, _silent = claim_all().jobs
    end_leases()
    client().zadd(keys.lease("default"), {dead.member: 0})
    assert [loss.job_id for loss in sweep("default", SEVERED)] == ["a"]
    assert take_back() == ["b"]
