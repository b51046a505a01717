from __future__ import annotations

import pytest

from tasks.broker import keys
from tasks.broker.push import push
from tasks.broker.reconcile import Mend, Sight, look, mend, restore_running, unblock
from tasks.broker.wire import Envelope
from tests.engine import claim, client, events, push_job, run_next, status, waiting

ALL_VERBS = ("queue", "aside", "lose", "cancel", "forget", "adopt", "tell")


def seen(job_id: str, execution: str = "") -> Sight:
    return look([(job_id, "default", execution)])[0]


def test_a_look_says_state_and_place() -> None:
    push_job("running")
    execution = claim().execution
    push_job("waiting")
    push_job("child", depends_on=["waiting"])
    assert seen("running") == Sight("started", "2", execution, "held")
    assert seen("waiting") == Sight("queued", "1", "", "")
    assert seen("child") == Sight("deferred", "1", "", "aside")
    assert seen("nobody") == Sight("")


def test_a_look_finds_what_is_left_of_a_job_that_is_gone() -> None:
    push_job("running")
    execution = claim().execution
    push_job("parent")
    push_job("child", depends_on=["parent"])
    client().delete(keys.job("running"), keys.job("child"))
    client().sadd(keys.MISSING, "dropped")
    assert seen("running", execution).place == "held"
    assert seen("child").place == "aside"
    assert seen("dropped").place == "missing"


def test_a_look_at_garbage_tells_of_it() -> None:
    client().set(keys.job("bad"), "nonsense")
    assert seen("bad") == Sight("broken")


@pytest.mark.parametrize("verb", ALL_VERBS)
def test_a_job_that_changed_since_it_was_seen_is_left_alone(verb: str) -> None:
    push_job("a")
    before = seen("a")
    run_next()
    kept, told = client().dump(keys.job("a")), len(events())
    assert mend([Mend(verb, "a", before, 1, "1")]) == 0
    assert client().dump(keys.job("a")) == kept
    assert len(events()) == told


def test_an_entry_that_came_meanwhile_is_not_doubled() -> None:
    push_job("a")
    assert mend([Mend("queue", "a", seen("a"), 1)]) == 0
    assert waiting() == ["a"]


def test_the_next_event_comes_after_all_that_the_ledger_knows() -> None:
    push_job("a")
    mend([Mend("tell", "a", seen("a"), 7, "released")])
    assert events()[-1]["seq"] == "8"
    run_next()
    assert events()[-1]["seq"] == "10"


def test_a_running_job_is_restored_only_while_its_lease_is_there() -> None:
    job = Envelope("a", "tests.sample.add", "tests.sample.add", "default", seq=2)
    assert not restore_running(job, "exec", "w1")
    client().zadd(keys.lease("default"), {"a:exec": 1})
    assert restore_running(job, "exec", "w1")
    assert (status("a"), seen("a").seq) == ("started", "2")
    assert not restore_running(job, "exec", "w1")


def test_a_parent_of_which_nobody_knows_holds_nothing_back() -> None:
    push_job("child", depends_on=["gone"], states={"gone": "queued"})
    assert unblock("child", "", "", [("gone", "queued")]) == "deferred"
    assert unblock("child", "", "", [("gone", "")]) == "queued"
    assert unblock("child", "", "", [("gone", "")]) == ""


def test_a_job_of_which_only_a_stray_field_is_left_can_be_pushed() -> None:
    client().hset(keys.job("a"), "last_heartbeat", "written by whoever ran it")
    path = "tests.sample.add"
    push([Envelope("a", path, path, "default")])
    assert (waiting(), status("a")) == (["a"], "queued")
    assert not client().hexists(keys.job("a"), "last_heartbeat")
