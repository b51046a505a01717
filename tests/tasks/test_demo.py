from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tasks.demo import (
    LIVELY_FOR,
    LIVELY_PAUSE,
    LOG_LIMIT,
    MOST_FILES,
    MOST_WAITING,
    QUEUES,
    QUIET_PAUSE,
    Demo,
    keep_newest,
    recipes,
    write_long_log,
)
from tasks.registry import registry
from tasks.submission import Handle


class Yard:
    """Takes submissions and counts them as waiting."""

    def __init__(self) -> None:
        self.jobs: list[tuple[str, dict[str, Any]]] = []
        self.now = 0.0
        self.waiting = 0

    def submit(self, task: str, args: object, **options: Any) -> Handle:
        self.jobs.append((task, options))
        return Handle(f"job-{len(self.jobs)}")


def make_demo(folder: Path, yard: Yard) -> Demo:
    made = recipes(folder, "http://127.0.0.1:8000", commands=False)
    return Demo(
        folder, made, lambda: yard.now, Random(1), yard.submit, lambda: yard.waiting
    )


def test_every_recipe_is_a_call_that_its_task_accepts(tmp_path: Path) -> None:
    for recipe in recipes(tmp_path, "http://127.0.0.1:8000", commands=True):
        registry.get(recipe.task).signature.bind((), recipe.args)


def test_one_round_makes_every_recipe_once(tmp_path: Path) -> None:
    yard = Yard()
    demo = make_demo(tmp_path, yard)
    for _ in demo.recipes:
        demo.step()
    follow_ups = sum(recipe.then is not None for recipe in demo.recipes)
    assert len(yard.jobs) == len(demo.recipes) + follow_ups
    assert {options["queue"] for _task, options in yard.jobs} == set(QUEUES)
    assert any("delay" in options for _task, options in yard.jobs)


def test_a_dependent_waits_for_its_parent_whatever_becomes_of_it(
    tmp_path: Path,
) -> None:
    yard = Yard()
    demo = make_demo(tmp_path, yard)
    demo.recipes = [recipe for recipe in demo.recipes if recipe.then][:1]
    demo.step()
    _task, options = yard.jobs[1]
    assert [parent.id for parent in options["depends_on"]] == ["job-1"]
    assert options["allow_failure"]


def test_it_holds_back_while_enough_waits(tmp_path: Path) -> None:
    yard = Yard()
    yard.waiting = MOST_WAITING
    make_demo(tmp_path, yard).step()
    assert yard.jobs == []


@pytest.mark.parametrize(
    ("now", "pause"), [(0, LIVELY_PAUSE), (LIVELY_FOR, QUIET_PAUSE)]
)
def test_it_becomes_quiet(
    tmp_path: Path, now: float, pause: tuple[float, float]
) -> None:
    yard = Yard()
    yard.now = now
    assert pause[0] <= make_demo(tmp_path, yard).step() <= pause[1]


def test_it_keeps_few_backups(tmp_path: Path) -> None:
    for number in range(MOST_FILES + 2):
        (tmp_path / str(number)).touch()
        os.utime(tmp_path / str(number), (number, number))
    keep_newest(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2", "3", "4"]


def test_its_log_begins_anew_when_it_is_large(tmp_path: Path) -> None:
    log = tmp_path / "demo.log"
    log.write_text("x" * (LOG_LIMIT + 1))
    make_demo(tmp_path, Yard()).step()
    assert log.stat().st_size < 1000


def test_the_long_log_is_written_once(tmp_path: Path) -> None:
    write_long_log(tmp_path / "demo", size=10_000)
    log = tmp_path / "demo" / "long.log"
    assert 10_000 <= log.stat().st_size < 15_000
    written_at = log.stat().st_mtime_ns
    write_long_log(tmp_path / "demo", size=10_000)
    assert log.stat().st_mtime_ns == written_at
