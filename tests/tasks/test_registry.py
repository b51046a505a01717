from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from django.utils.translation import override

from tasks.conf import PROJECT_ROOT, Config
from tasks.errors import ConfigurationError, InvalidArguments, TaskNotRegistered
from tasks.registry import BUILTIN_MODULES, Registry, Task, registry
from tests import sample


def test_a_task_is_found_by_name_and_by_dotted_path() -> None:
    assert registry.get("greet") is registry.get("tests.sample.greet")


def test_the_name_defaults_to_the_dotted_path() -> None:
    assert sample.add.task.name == "tests.sample.add"


def test_the_decorator_keeps_its_policy() -> None:
    task = sample.greet.task
    assert (task.queue, task.tags, task.timeout) == ("emails", ("mail",), 30)
    assert task.description == "Greet somebody."


def test_what_becomes_of_a_lost_job_is_one_of_three_words() -> None:
    assert sample.greet.task.on_worker_lost == "requeue"
    assert Task("x", sample.add.task.function, on_worker_lost="hold")
    with pytest.raises(ConfigurationError, match="on_worker_lost is retry, and not"):
        Task("x", sample.add.task.function, on_worker_lost="retry")


def test_a_summary_speaks_the_language_of_its_reader() -> None:
    task = registry.get("check_url")
    assert task.summary == task.description
    with override("zh-hans"):
        assert task.summary.startswith("检查")
        assert sample.greet.task.summary == "Greet somebody."
        assert replace(task, description="").summary == ""


def test_an_unknown_name_brings_the_nearest_one() -> None:
    with pytest.raises(TaskNotRegistered) as caught:
        registry.get("tests.sample.ad")
    expected = "Task tests.sample.ad is not registered. Did you mean tests.sample.add?"
    assert str(caught.value) == expected


def test_two_tasks_cannot_share_a_name() -> None:
    own = Registry()
    own.add(Task("one", sample.add.task.function))
    with pytest.raises(ConfigurationError, match="Two tasks are named one"):
        own.add(Task("one", sample.fail.task.function))


def test_a_module_that_is_imported_again_registers_the_same_tasks() -> None:
    own = Registry()
    for _ in range(2):
        own.add(Task("one", sample.add.task.function))
    assert len(own) == 1


def test_a_task_stays_a_function_whose_arguments_are_coerced() -> None:
    assert sample.add("1", b="4") == 5  # type: ignore[arg-type]


def test_a_coroutine_task_stays_a_coroutine_function() -> None:
    assert asyncio.run(sample.add_async("1")) == 3  # type: ignore[arg-type]


def test_a_direct_call_names_the_wrong_argument() -> None:
    with pytest.raises(InvalidArguments, match="a: must be a whole number"):
        sample.add("x")  # type: ignore[arg-type]


def test_tasks_come_sorted_by_name() -> None:
    names = [task.name for task in registry]
    assert names == sorted(names)
    assert len(names) == len(registry)


def test_the_tasks_that_ship_are_registered() -> None:
    modules = {task.function.__module__ for task in registry}
    assert set(BUILTIN_MODULES) <= modules


def run_python(code: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={"PYTHONPATH": str(PROJECT_ROOT), "PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout + done.stderr


def test_task_modules_import_without_django_settings(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(
        "from tasks import current_job, task\n"
        "@task\n"
        "def double(n: int) -> int:\n"
        "    current_job().progress(1, 1)\n"
        "    return 2 * n\n"
    )
    code = (
        "import os; assert 'DJANGO_SETTINGS_MODULE' not in os.environ\n"
        "from tasks.registry import load_tasks, registry; load_tasks()\n"
        "import jobs; print(jobs.double('4'), registry.get('jobs.double').queue)"
    )
    said = run_python(code, tmp_path, TASKYARD_TASKS="jobs")
    assert said == "8 default\n"


def test_a_module_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text("1 / 0\n")
    code = "from tasks.registry import load_tasks; load_tasks()"
    said = run_python(code, tmp_path, TASKYARD_TASKS="jobs")
    expected = (
        "TASKYARD_TASKS: module jobs cannot be imported:"
        " ZeroDivisionError: division by zero"
    )
    assert expected in said


@pytest.mark.parametrize(
    ("setting", "module", "served"),
    [
        ("shop.jobs", "shop.jobs", True),
        ("shop.jobs", "shop.jobs.more", False),
        ("shop.*", "shop.jobs.more", True),
        ("shop.*", "shop", False),
        ("shop.*", "shopping.jobs", False),
        ("", "os", False),
    ],
)
def test_only_named_modules_are_served(
    setting: str, module: str, served: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKYARD_RQ_MODULES", setting)
    assert Config().serves(module) is served
