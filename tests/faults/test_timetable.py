"""How the scenarios about time count what was due, and what came of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from benchmarks.faults import timetable
from benchmarks.faults.cases.downtime import EVERY, Spread, most_within
from benchmarks.faults.cases.ticks import _takeover
from benchmarks.faults.journal import START, Journal, Line
from benchmarks.faults.timetable import Kept, Timetable
from tasks.models import Schedule
from tasks.models.fire import Verdict
from tests.factories import create_job
from tests.timetable import create_fire, create_schedule

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
FIRST = datetime(2026, 3, 10, 8, tzinfo=UTC)

TABLE = Timetable(["a", "b"], FIRST, SECOND, 3)


def made(*lines: tuple[float, int, str]) -> Journal:
    """Return a journal of starts: (seconds after FIRST, attempt, job)."""
    return Journal("", [Line(at, at, 7, START, *rest) for at, *rest in lines])  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the journal's clock show 0 at FIRST."""
    monkeypatch.setattr(timetable, "wall_time", lambda at: at + FIRST.timestamp())


def fire(name: str, number: int, job: str, **fields: Any) -> None:
    """Have a schedule's moment of a number come to a job."""
    found = Schedule.objects.filter(name=name).first()
    schedule = found or create_schedule(name, enabled=False)
    create_fire(schedule, FIRST + number * SECOND, job_key=job, **fields)
    task = "benchmarks.faults.jobs.tick"
    create_job(id=job, task=task, kwargs={"schedule": name})


def test_it_is_due_so_often_for_each_schedule() -> None:
    assert len(TABLE.moments) == 6
    assert TABLE.last_at == FIRST + 2 * SECOND


@pytest.mark.django_db(transaction=True)
def test_schedules_that_are_made_when_they_are_due_are_made_for_later() -> None:
    """On a busy machine their first moments would be missed."""
    late = Timetable(["a", "b"], datetime.now(UTC), SECOND, 3)
    assert not late.declare()
    assert not Schedule.objects.exists()
    made = Timetable.begin(["a", "b"], SECOND, 3, lead=0.01)
    begins = set(Schedule.objects.values_list("name", "starts_at", "ends_at"))
    assert begins == {(name, made.first_at, made.last_at) for name in made.names}


@pytest.mark.django_db
def test_moments_without_a_job_that_ran_are_missed() -> None:
    fire("a", 0, "ran")
    fire("a", 1, "never started")
    fire("b", 0, "blocked", verdict=Verdict.SKIPPED)
    kept = Kept.read(made((0.5, 1, "ran"), (0.6, 1, "blocked")), [TABLE])
    assert kept.missed == 5
    assert kept.lateness == {("a", FIRST): pytest.approx(0.5)}


@pytest.mark.django_db
def test_what_ran_twice_or_for_no_moment_is_doubled() -> None:
    fire("a", 0, "once")
    fire("a", 1, "twice")
    fire("b", 9, "too late to be due")
    create_job(
        id="of no fire", task="benchmarks.faults.jobs.tick", kwargs={"schedule": "b"}
    )
    found = made(
        (0.5, 1, "once"),
        (1.5, 1, "twice"),
        (1.6, 1, "twice"),
        (2.0, 1, "too late to be due"),
        (3.0, 1, "of no fire"),
        (4.0, 1, "of no schedule"),
        (5.0, 2, "once"),  # its worker died
    )
    assert Kept.read(found, [TABLE]).doubled == 3


def test_a_takeover_counts_from_the_kill() -> None:
    killed_at = FIRST.timestamp() + 10
    moments = {number: ("a", FIRST + number * SECOND) for number in (8, 10, 11)}
    waits = {8: 99.0, 10: 13.5, 11: 12.0}
    started = {moments[n]: FIRST.timestamp() + at for n, at in waits.items()}
    kept = Kept(set(moments.values()), started, 3)
    assert _takeover(kept, killed_at) == pytest.approx(3.5)


class TestPolicies:
    """An hour of moments each five minutes, of which the last is not too late yet."""

    NOW = FIRST + 60 * MINUTE + 50 * SECOND

    def fates(self, policy: str) -> list[str]:
        spread = Spread("one", policy, FIRST - timedelta(days=1))
        expected = spread.expected(FIRST, self.NOW)
        assert list(expected) == [FIRST + n * EVERY * SECOND for n in range(1, 13)]
        return list(expected.values())

    @pytest.mark.parametrize(
        ("policy", "missed", "late"),
        [("skip", 11, 0), ("once", 10, 1), ("all", 1, 10), ("young", 6, 5)],
    )
    def test_what_a_policy_makes_of_them(
        self, policy: str, missed: int, late: int
    ) -> None:
        expected = ["missed"] * missed + ["late"] * late + ["ran"]
        assert self.fates(policy) == expected


def test_the_most_within_a_second_are_counted_wherever_it_begins() -> None:
    def most(*seconds: float) -> int:
        return most_within([FIRST + at * SECOND for at in seconds], SECOND)

    assert most() == 0
    assert most(0.0, 0.5, 0.9, 1.2, 1.4, 2.5) == 4
    assert most(0.0, 1.0, 2.0) == 1
