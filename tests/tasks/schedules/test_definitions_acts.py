from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tasks.errors import (
    BrokerFull,
    InvalidArguments,
    InvalidOption,
    PermissionMissing,
    TaskNotRegistered,
)
from tasks.models import Audit, Fire, Job, Schedule
from tasks.models.fire import Verdict
from tasks.policy import PERMISSIONS, Actor
from tasks.schedules import saving
from tasks.schedules.definitions import (
    change,
    create,
    delete,
    reset,
    run_now,
    set_enabled,
)
from tests.clocks import stop_clock
from tests.tasks.schedules.defining import HOUR, MARA, NINE, audited, make, stored
from tests.timetable import NOW, create_schedule

pytestmark = pytest.mark.django_db(transaction=True)

SUBMITTER = Actor("jo", "api", frozenset({PERMISSIONS["submit"]}))
NOBODY = Actor("eve", "web", frozenset())


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch, NOW)


class TestEnabling:
    def test_what_passed_meanwhile_is_one_fire(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make()
        set_enabled(MARA, "nightly", enabled=False)
        assert (stored().next_at, stored().disabled_at) == (None, NOW)
        later = NOW + timedelta(days=3)
        stop_clock(monkeypatch, later)
        set_enabled(MARA, "nightly", enabled=True)
        fire = Fire.objects.get()
        assert (fire.verdict, fire.count) == (Verdict.PAUSED, 3)
        assert fire.due_at == NINE + timedelta(days=2)
        assert stored().next_due_at == later + HOUR
        assert stored().disabled_at is None
        assert [verb for _actor, verb, _target in audited()] == [
            "schedule.create",
            "schedule.disable",
            "schedule.enable",
        ]

    def test_one_that_stands_so_already_stays_as_it_is(self) -> None:
        make()
        assert set_enabled(MARA, "nightly", enabled=True).version == 1
        assert len(audited()) == 1

    def test_a_broken_one_can_be_disabled_and_not_enabled(self) -> None:
        create_schedule(task="gone")
        set_enabled(MARA, "nightly", enabled=False)
        assert not stored().enabled
        with pytest.raises(InvalidOption, match="Task gone is not registered"):
            set_enabled(MARA, "nightly", enabled=True)

    def test_one_whose_moment_is_over_is_not_enabled(self) -> None:
        at = NOW - HOUR
        create_schedule(kind="once", expression="", at=at, enabled=False)
        with pytest.raises(InvalidOption, match="lies in the past"):
            set_enabled(MARA, "nightly", enabled=True)

    def test_it_can_be_disabled_while_redis_is_full(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_facts: object) -> None:
            raise BrokerFull(9, 10)

        make()
        monkeypatch.setattr(saving, "settle", refuse)
        with pytest.raises(BrokerFull):
            change(MARA, "nightly", {"expression": "0 10 * * *"})
        set_enabled(MARA, "nightly", enabled=False)
        assert (stored().enabled, stored().expression) == (False, "0 9 * * *")


class TestDeleting:
    def test_it_goes_with_its_fires(self) -> None:
        make()
        delete(MARA, "nightly")
        assert not Schedule.objects.exists()
        assert audited()[-1] == ("mara", "schedule.delete", "nightly")

    def test_what_the_code_declares_would_come_back(self) -> None:
        create_schedule(declared={"task": "greet"})
        with pytest.raises(InvalidOption, match="the code declares it"):
            delete(MARA, "nightly")
        Schedule.objects.update(gone_at=NOW)
        delete(MARA, "nightly")
        assert not Schedule.objects.exists()


class TestRunningNow:
    def test_a_job_comes_with_what_the_schedule_says(self) -> None:
        make(queue="low", timeout=9, retries=2, tags=["night"], at_front=True)
        job = run_now(SUBMITTER, "nightly")
        assert (job.task, job.kwargs, job.queue) == ("greet", {"name": "x"}, "low")
        assert (job.timeout, job.retries, job.at_front) == (9, 2, True)
        assert job.tags == ["mail", "night"]
        assert not Fire.objects.exists()
        assert Audit.objects.latest("pk").result == job.id

    def test_other_arguments_stand_for_all(self) -> None:
        make(kwargs={"name": "x", "loudly": True})
        assert run_now(MARA, "nightly", {"name": "y"}).kwargs == {"name": "y"}

    def test_arguments_that_do_not_fit_submit_nothing(self) -> None:
        make()
        with pytest.raises(InvalidArguments):
            run_now(MARA, "nightly", {"nme": "y"})
        assert not Job.objects.exists()

    def test_a_task_that_is_gone_is_said_so(self) -> None:
        create_schedule(task="gone")
        with pytest.raises(TaskNotRegistered):
            run_now(MARA, "nightly")


ACTS: list[Callable[[Actor], Any]] = [
    lambda actor: create(actor, "other", {"task": "tests.sample.fail"}),
    lambda actor: change(actor, "nightly", {"grace": 5}),
    lambda actor: set_enabled(actor, "nightly", enabled=False),
    lambda actor: delete(actor, "nightly"),
    lambda actor: reset(actor, "nightly"),
    lambda actor: run_now(actor, "nightly"),
]


@pytest.mark.parametrize("act", ACTS)
def test_who_may_not_is_refused_and_nothing_is_written(
    act: Callable[[Actor], Any],
) -> None:
    make()
    with pytest.raises(PermissionMissing):
        act(NOBODY)
    assert stored().version == 1
    assert len(audited()) == 1
    assert not Job.objects.exists()
