"""Jobs that kill their worker, among jobs that do not."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.broker import keys
from tasks.broker.losses import read_workers, sever, strike_off, sweep
from tests.conftest import wait_until
from tests.engine import client, events, push_job, status
from tests.integration.conftest import (
    START,
    Fleet,
    Process,
    children_of,
    is_running,
)

pytestmark = pytest.mark.integration

ENDS = ("finished", "failed")


def push_poison(job_id: str, name: str = "kill_parent", **fields: Any) -> str:
    path = f"tests.sample.{name}"
    return push_job(job_id, task=path, path=path, kwargs={}, **fields)


def bury(process: Process) -> None:
    """Take back what a worker held, as a supervisor does that saw its end."""
    for worker in read_workers()[0]:
        if worker.pid == process.pid:
            strike_off(worker)
            sever(worker)
            sweep("default")


def run_to_end(fleet: Fleet, *job_ids: str) -> int:
    """Have one worker after the other run the jobs; returns how many of them died."""
    left = set(job_ids)
    names: Iterator[int] = itertools.count(1)
    worker, dead = fleet.worker("--children", "2", name="w0"), 0

    def is_over() -> bool:
        nonlocal worker, dead
        if worker.poll() is not None:
            bury(worker)
            dead += 1
            worker = fleet.worker("--children", "2", name=f"w{next(names)}")
        left.difference_update([i for i in left if status(i) in ENDS])
        return not left

    wait_until(is_over, 3 * START)
    assert worker.poll() is None
    return dead


def test_a_suspect_dies_with_its_worker(fleet: Fleet, folder: Path) -> None:
    path = "tests.sample.wait_for"
    push_job("a", task=path, path=path, kwargs={"path": str(folder / "never")})
    client().hset(keys.job("a"), "ty:deaths", ",".join([str(client().time()[0])] * 2))
    worker = fleet.worker("--children", "1")
    wait_until(lambda: client().hget(keys.job("a"), "ty:progress"), START)
    keepers = [pid for pid in children_of(worker.pid) if children_of(pid)]
    family = [*keepers, *(child for pid in keepers for child in children_of(pid))]
    assert len(family) >= 2
    worker.kill()
    wait_until(lambda: not any(map(is_running, family)))


def state_of(job_id: str) -> str:
    return [event["state"] for event in events() if event["id"] == job_id][-1]


def test_a_job_that_kills_its_worker_does_so_twice_and_never_again(
    fleet: Fleet,
) -> None:
    push_poison("poison")
    assert run_to_end(fleet, "poison") == 2
    assert state_of("poison") == "quarantined"


def test_a_coroutine_that_does_so_is_no_better(fleet: Fleet) -> None:
    push_poison("poison", "kill_self_async", kind="async")
    assert run_to_end(fleet, "poison") == 2
    assert state_of("poison") == "quarantined"


@pytest.mark.parametrize("size", [1, 100_000])
def test_a_module_that_kills_whoever_imports_it_kills_two_workers(
    make_fleet: Callable[..., Fleet], fleet: Fleet, size: int
) -> None:
    """Large arguments are read in a thread, which might import it as well."""
    admitted = {"TASKYARD_RQ_MODULES": "tests.deadly"}
    deadly = make_fleet(**{**fleet.environment, **admitted})
    kwargs = {"a": secrets.token_hex(size)}
    push_job("poison", task="", path="tests.deadly.never", kwargs=kwargs)
    assert run_to_end(deadly, "poison") == 2
    assert state_of("poison") == "quarantined"


def test_those_that_were_only_with_it_all_finish(fleet: Fleet) -> None:
    """Sent ahead to a child, most had not even begun when their worker died."""
    good = [f"good{number}" for number in range(60)]
    for number, job_id in enumerate(good):
        push_job(job_id)
        if number % 20 == 10:
            push_poison(f"poison{number}")
    poison = [f"poison{number}" for number in (10, 30, 50)]
    assert run_to_end(fleet, *good, *poison) <= 2 * len(poison)
    assert {state_of(job_id) for job_id in good} == {"finished"}
    assert {state_of(job_id) for job_id in poison} == {"quarantined"}
