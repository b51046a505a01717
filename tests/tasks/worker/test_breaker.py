from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise

import pytest

from tasks.broker.attempts import HeldBack, Hold
from tasks.registry import Task
from tasks.worker.breaker import FARTHEST, STEP, Breaker, Breakers
from tests.sample import add

#: When the tests' breakers open.
T = 1000.0


def make_breaker(*, limit: int = 3, retries: bool = False) -> Breaker:
    return Breaker("mail", "jobs.mail", limit, retries)


def opened(**fields: bool) -> Breaker:
    """Return a breaker that opened at T."""
    breaker = make_breaker(**fields)
    fail(breaker, T, 3)
    return breaker


def fail(breaker: Breaker, now: float, times: int = 1) -> None:
    for number in range(times):
        breaker.begin(f"a{number}", now)
        breaker.end(f"a{number}", "fail", now)


def hold(breaker: Breaker, now: float) -> Hold:
    found = breaker.hold(now)
    assert found is not None
    return found


def slots(breaker: Breaker, now: float, jobs: int) -> list[float]:
    """Hold back so many jobs by one claim; returns when each comes back."""
    told = hold(breaker, now)
    breaker.note(HeldBack(jobs, let_one_through=False), now)
    others = [now + told.others + told.step * n for n in range(jobs - 1)]
    return [now + told.first, *others]


def probe(breaker: Breaker, now: float, verb: str = "fail") -> None:
    """Have a claim let one job through at `now`, which ends at once."""
    assert hold(breaker, now).lets != "none"
    breaker.note(HeldBack(0, let_one_through=True), now)
    breaker.begin("probe", now)
    breaker.end("probe", verb, now)


def test_it_opens_when_so_many_attempts_in_a_row_failed() -> None:
    breaker = make_breaker(limit=3)
    fail(breaker, T, 2)
    assert breaker.hold(T) is None
    fail(breaker, T)
    told = hold(breaker, T)
    assert (told.task, told.path, told.lets) == ("mail", "jobs.mail", "none")


@pytest.mark.parametrize("verb", ["stop", "handback", "again", "quarantine"])
def test_what_was_interrupted_neither_counts_nor_resets(verb: str) -> None:
    breaker = make_breaker(limit=3)
    fail(breaker, T, 2)
    breaker.end("b", verb, T)
    assert not breaker.is_open
    fail(breaker, T)
    assert breaker.is_open


def test_a_success_resets_the_count() -> None:
    breaker = make_breaker(limit=3)
    fail(breaker, T, 2)
    breaker.end("b", "finish", T)
    fail(breaker, T, 2)
    assert not breaker.is_open


def test_after_the_cool_down_one_job_is_let_through_at_a_time() -> None:
    breaker = opened()
    assert hold(breaker, T + 0.999).lets == "none"
    assert hold(breaker, T + 1).lets == "any"
    breaker.note(HeldBack(0, let_one_through=True), T + 1)
    assert hold(breaker, T + 1).lets == "none"  # it has not even begun
    breaker.begin("probe", T + 1)
    assert hold(breaker, T + 60).lets == "none"


def test_a_probe_that_never_began_is_replaced() -> None:
    breaker = opened()
    breaker.note(HeldBack(0, let_one_through=True), T + 1)
    assert hold(breaker, T + 2).lets == "any"


def test_a_probe_that_succeeds_closes_it() -> None:
    breaker = opened()
    probe(breaker, T + 1, "finish")
    assert breaker.hold(T + 1) is None
    fail(breaker, T + 1, 2)
    assert not breaker.is_open
    fail(breaker, T + 1)
    assert hold(breaker, T + 1).first == pytest.approx(1)


def test_each_probe_that_fails_doubles_the_cool_down_up_to_a_minute() -> None:
    breaker, now, waits = opened(), T, []
    for _number in range(9):
        now += breaker.cooldown
        waits.append(breaker.cooldown)
        probe(breaker, now)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert breaker.facts(now, 5_000)["failures"] == 12


def test_a_probe_without_a_verdict_is_followed_by_another() -> None:
    breaker = opened()
    probe(breaker, T + 1, "handback")
    assert breaker.is_open
    assert breaker.cooldown == 1
    assert hold(breaker, T + 2).lets == "any"


def test_what_began_before_it_opened_says_nothing_of_now() -> None:
    breaker = make_breaker(limit=3)
    breaker.begin("slow", T)
    fail(breaker, T, 3)
    breaker.end("slow", "finish", T + 0.5)
    assert breaker.is_open
    breaker.begin("slower", T)
    breaker.end("slower", "fail", T + 0.5)
    assert hold(breaker, T + 1).lets == "any"


def test_a_job_at_its_last_try_is_no_probe_while_there_may_be_others() -> None:
    breaker = opened(retries=True)
    assert hold(breaker, T + 1).lets == "retry"
    # One that is held back then comes when it may be tried.
    assert hold(breaker, T + 1).later == pytest.approx(1)
    assert hold(breaker, T + 2).lets == "any"


def test_the_first_comes_as_the_probe_and_the_others_evenly_a_moment_later() -> None:
    breaker = opened()
    found = slots(breaker, T, 50) + slots(breaker, T + 0.1, 50)
    assert found[:2] == pytest.approx([T + 1, T + 2])
    gaps = [later - one for one, later in pairwise(found[1:])]
    assert gaps == pytest.approx([STEP] * 98)


def test_no_slot_is_five_minutes_away() -> None:
    breaker = opened()
    found = [slot for _call in range(800) for slot in slots(breaker, T, 100)]
    assert len(found) == 80_000
    assert min(found) >= T + 1 - 1e-6
    assert max(found) < T + 300
    by_second = [sum(int(slot - T) == second for slot in found) for second in (50, 250)]
    assert by_second == pytest.approx([400, 200], abs=3)
    assert FARTHEST < 300


def test_a_job_is_looked_at_about_ten_times_in_five_minutes() -> None:
    """Five jobs, of which one is always the probe, come back whenever their slots say."""
    breaker, looks = opened(), 0
    due = slots(breaker, T, 5)
    while min(due) < T + 300:
        now = min(due)
        due.remove(now)
        looks += 1
        if hold(breaker, now).lets == "any":
            probe(breaker, now)
        due += slots(breaker, now, 1)
    assert 8 <= looks / 5 <= 11


def test_a_probe_that_takes_long_makes_the_others_wait_long() -> None:
    breaker = opened()
    breaker.begin("probe", T + 1)
    assert hold(breaker, T + 1.1).first == pytest.approx(1)
    assert hold(breaker, T + 21).first == pytest.approx(20)
    assert hold(breaker, T + 500).first == pytest.approx(60)


def test_it_says_since_when_it_is_open_and_how_many_wait() -> None:
    breaker = opened()
    slots(breaker, T, 100)
    said = breaker.facts(T + 0.5, 5_000)
    assert said == {"since": 4_999.5, "failures": 3, "held": 100, "every": 1}
    assert breaker.facts(T + 3, 5_000)["held"] == 0


@pytest.fixture
def worker() -> tuple[Breakers, Callable[[float], None]]:
    """A worker's breakers, and a way to set its clock."""
    times = [T]
    return Breakers(lambda: times[0]), lambda now: times.__setitem__(0, now)


def test_a_worker_tells_of_open_breakers_only(
    worker: tuple[Breakers, Callable[[float], None]],
) -> None:
    breakers, set_clock = worker
    assert (breakers.holds(), breakers.facts()) == ((), {})
    task = Task("mail", add.task.function, breaker=1)
    breaker = breakers.begin(task, "a")
    assert breakers.holds() == []
    breakers.end(breaker, "a", "fail")
    (told,) = breakers.holds()
    assert (told.task, told.path) == ("mail", "tests.sample.add")
    breakers.note([HeldBack(3, let_one_through=False)])
    assert json.loads(breakers.facts()["ty:breakers"])["mail"]["held"] == 3
    set_clock(T + 1)
    assert breakers.begin(task, "b") is breaker
    breakers.end(breaker, "b", "finish")
    assert (breakers.holds(), breakers.facts()) == ([], {})
