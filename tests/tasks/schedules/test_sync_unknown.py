"""Declared schedules whose tasks this process does not know: others may."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from types import ModuleType

import pytest

from tasks.catalog import note_tasks
from tasks.errors import InvalidOption
from tasks.models import Fire, Job, Schedule, TaskRecord
from tasks.models.fire import Verdict
from tasks.policy import Actor
from tasks.registry import Task, registry
from tasks.schedules.checks import problem_of
from tasks.schedules.declared import cron
from tasks.schedules.definitions import delete
from tasks.schedules.drafts import TAKEOVER
from tasks.schedules.fire_words import word_fire
from tasks.schedules.fires import Firing
from tasks.schedules.sync import Synced, sync_declared
from tests.clocks import stop_clock
from tests.timetable import DAY, NOW

pytestmark = pytest.mark.django_db

MARA = Actor("mara", "web")

#: When the schedule of these tests is due first.
DUE = NOW + timedelta(hours=1)

#: What a process knows that was started without the module `shop.reports`.
OTHERS: list[Task] = [registry.get("greet")]


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch, NOW)


def declare(name: str, path: str = "") -> Schedule:
    """Have a process that knows a task declare `nightly` with it, and end."""
    greet = registry.get("greet")
    schedule = cron("0 9 * * *", name="nightly", kwargs={"name": "x"})
    task = replace(greet, name=name, schedules=(schedule,))
    sync_declared([task], NOW)
    if path:
        note_tasks()
        TaskRecord.objects.filter(name="greet").update(name=name, path=path)
    return stored()


def stored() -> Schedule:
    return Schedule.objects.select_related("calendar").get(name="nightly")


def is_let_alone(done: Synced) -> bool:
    row = stored()
    is_told = (done.gone, done.unknown) == ([], ["nightly"])
    return is_told and row.enabled and row.gone_at is None


@pytest.mark.parametrize("path", ["", "shop.reports.send"])
def test_what_another_process_may_know_is_let_alone_and_told(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    declare("shop.reports.send", path)
    assert is_let_alone(sync_declared(OTHERS, NOW + DAY))
    (entry,) = [
        one for one in caplog.records if vars(one).get("action") == "schedule_unknown"
    ]
    assert "nightly" in entry.getMessage()


def test_the_package_alone_says_nothing_of_its_modules(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    declare("shop.reports.send")
    monkeypatch.setitem(sys.modules, "shop", ModuleType("shop"))
    assert is_let_alone(sync_declared(OTHERS, NOW + DAY))


def test_a_task_that_its_loaded_module_lost_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    declare("shop.reports.send")
    monkeypatch.setitem(sys.modules, "shop.reports", ModuleType("shop.reports"))
    assert sync_declared(OTHERS, NOW + DAY).gone == ["nightly"]
    assert (stored().enabled, stored().gone_at) == (False, NOW + DAY)


def test_the_module_of_a_task_with_a_name_of_its_own_is_remembered() -> None:
    declare("send the report", "tests.sample.send_report")
    assert sync_declared(OTHERS, NOW + DAY).gone == ["nightly"]


def test_a_person_s_other_task_says_nothing_of_the_code() -> None:
    declare("shop.reports.send")
    Schedule.objects.update(task="greet")
    assert is_let_alone(sync_declared([registry.get("greet")], NOW + DAY))


def test_without_its_task_a_moment_is_refused_with_the_way_out() -> None:
    schedule = declare("shop.reports.send")
    sync_declared(OTHERS, NOW)
    firing = Firing()
    firing.step(DUE)
    firing.step(DUE + TAKEOVER)
    fire = Fire.objects.get()
    assert (fire.verdict, fire.reason) == (Verdict.REFUSED, "task")
    assert word_fire(fire, "UTC") == (
        "Task shop.reports.send is not registered. The scheduler did not know it: name"
        " its module in TASKYARD_TASKS where the scheduler is started."
    )
    assert not Job.objects.exists()
    assert stored().next_due_at == DUE + DAY
    assert "is not registered" in problem_of(schedule, NOW)


def test_what_no_process_here_declares_may_be_deleted() -> None:
    declare("shop.reports.send")
    delete(MARA, "nightly")
    assert not Schedule.objects.exists()
    declare("greet")
    with pytest.raises(InvalidOption, match="the code declares it"):
        delete(MARA, "nightly")
