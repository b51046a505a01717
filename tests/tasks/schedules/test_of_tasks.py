from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import ConfigurationError
from tasks.registry import Registry, registry, task
from tasks.schedules.declared import cron
from tasks.schedules.of_tasks import check_distinct
from tests.tasks.test_registry import run_python

JOBS = """
from tasks import cron, every, task

@task(schedule=[cron("0 9 * * 1-5", name="mornings", zone="Asia/Shanghai"),
                every(300, name="often")])
def sweep() -> None:
    pass

@task(schedule="@daily")
def count() -> int:
    return 1
"""


def test_tasks_say_when_they_run_without_django_settings(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(JOBS)
    code = (
        "from tasks.registry import load_tasks, registry; load_tasks()\n"
        "import jobs; print(jobs.count())\n"
        "for name in ('jobs.sweep', 'jobs.count'):\n"
        "    for one in registry.get(name).schedules: print(one.name, one.kind)"
    )
    said = run_python(code, tmp_path, TASKYARD_TASKS="jobs").splitlines()
    assert said == ["1", "mornings cron", "often every", "jobs.count cron"]


def test_a_schedule_that_cannot_work_is_refused_with_its_task(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(JOBS.replace("@daily", "0 0 31 2 *"))
    code = "from tasks.registry import load_tasks; load_tasks()"
    said = run_python(code, tmp_path, TASKYARD_TASKS="jobs")
    assert "Task jobs.count: schedule: expression: never fires" in said


def test_two_tasks_cannot_declare_a_schedule_of_one_name() -> None:
    own = Registry()
    shown = cron("0 9 * * *", name="mornings")
    for name in ("greet", "tests.sample.add"):
        own.add(replace(registry.get(name), schedules=(shown,)))
    with pytest.raises(ConfigurationError) as caught:
        own.check()
    said = "Tasks greet and tests.sample.add both declare a schedule mornings."
    assert str(caught.value) == said


def test_names_of_their_own_are_well() -> None:
    check_distinct([("a", "one"), ("a", "two"), ("b", "three")])


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "name: is required"),
        ({"kwargs": {"nam": "x"}}, "nam: is not an argument"),
        ({"args": ["x", "y", "z"]}, "too many positional arguments"),
        ({"kwargs": {"name": ["x"]}}, "name: must be text"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_where_they_are_declared(
    settings: Any, problem: str
) -> None:
    function = registry.get("greet").function
    with pytest.raises(ConfigurationError) as caught:
        task(name="nightly", schedule=cron("@daily", name="hello", **settings))(
            function
        )
    told = str(caught.value)
    assert told.startswith("Task nightly: schedule hello: The arguments do not fit")
    assert problem in told


LATER = """
from __future__ import annotations
from tasks import every, task

@task(schedule=every(60, kwargs={"size": "4"}))
def count(size: Size) -> None: ...

Size = int
"""


def test_annotations_of_what_comes_later_are_read_later(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(LATER)
    code = (
        "from tasks.registry import load_tasks, registry; load_tasks();"
        "registry.check(); print(registry.get('jobs.count').schedules[0].every)"
    )
    assert run_python(code, tmp_path, TASKYARD_TASKS="jobs") == "60\n"
