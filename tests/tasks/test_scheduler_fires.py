"""The scheduler's part in schedules: when it looks, and what holds it up."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import OperationalError

from tasks import recovery
from tasks.models import Fire, Job
from tasks.models.schedule import Kind
from tasks.scheduler import LOOK_EVERY, Scheduler
from tasks.states import State
from tests.engine import waiting
from tests.timetable import NOW, create_schedule

pytestmark = pytest.mark.django_db(transaction=True)

DUE = NOW + timedelta(hours=1)


class Times:
    """Two clocks that tests turn: that of schedules, and that of chores."""

    def __init__(self, now: datetime) -> None:
        self.now, self.ticks = now, 50.0

    def scheduler(self) -> Scheduler:
        return Scheduler(clock=lambda: self.ticks, now=lambda: self.now)

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.ticks += seconds


def test_what_is_due_is_fired_and_pushed() -> None:
    create_schedule()
    Times(DUE).scheduler().step()
    assert waiting() == [Fire.objects.get().job_key]


def test_it_wakes_when_the_next_schedule_is_due() -> None:
    create_schedule()
    times = Times(DUE - timedelta(milliseconds=20))
    scheduler = times.scheduler()
    assert scheduler.step() == pytest.approx(0.02, abs=0.001)
    times.pass_by(0.02)
    scheduler.step()
    assert Fire.objects.get().decided_at == DUE


def test_with_nothing_due_it_looks_for_chores_as_ever() -> None:
    create_schedule()
    assert Times(NOW).scheduler().step() == LOOK_EVERY


def test_with_more_due_it_goes_on_at_once() -> None:
    for number in range(101):
        create_schedule(f"s{number}")
    scheduler = Times(DUE).scheduler()
    assert scheduler.step() == 0
    scheduler.step()
    assert Job.objects.count() == 101


def test_a_run_that_follows_an_end_is_planned_and_fired() -> None:
    create_schedule(kind=Kind.AFTER, every=1, expression="")
    times = Times(NOW + timedelta(seconds=1))
    scheduler = times.scheduler()
    scheduler.step()
    Job.objects.update(state=State.FINISHED, ended_at=times.now)
    for _second in range(3):
        times.pass_by(1.001)
        scheduler.step()
    assert Fire.objects.count() == 2


def test_lost_jobs_are_taken_back_while_the_ledger_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: list[int] = []

    def refuse(_now: datetime) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(recovery, "requeue_lost_jobs", lambda: taken.append(1))
    scheduler = Times(NOW).scheduler()
    monkeypatch.setattr(scheduler._firing, "step", refuse)
    assert scheduler.step() == 0.5
    assert taken == [1]
