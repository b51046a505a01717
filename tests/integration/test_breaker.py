"""What a task leans on is down for a while: its jobs wait, and others go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.broker import keys
from tests.conftest import wait_until
from tests.engine import client, events, move, push_job, status
from tests.integration.conftest import START, Fleet

pytestmark = pytest.mark.integration

#: Jobs of the task, its tries after the first, and the failures that open its breaker.
JOBS, RETRIES, LIMIT = 200, 2, 5

#: Seconds that the jobs may take when what they lean on is there again.
BACK_WITHIN = 40


def push_leaning(count: int, name: str, kind: str, path: Path) -> list[str]:
    full = f"tests.sample.{name}"
    call = {"task": full, "path": full, "kind": kind, "kwargs": {"path": str(path)}}
    return [
        push_job(f"{name}-{n}", **call, retries=RETRIES, backoff=0.05)
        for n in range(count)
    ]


def tried() -> int:
    """Return how many attempts have failed so far."""
    return sum(event.kind in ("retrying", "failed") for event in events())


def told() -> dict[str, Any]:
    """Return what the worker says of its breakers."""
    said: Any = client().hget(keys.worker("w1"), "ty:breakers")
    found: dict[str, Any] = json.loads(said) if said else {}
    return found


def is_holding(task: str) -> bool:
    move()
    return list(told()) == [task] and told()[task]["held"] > 0


def is_tried(least: int) -> bool:
    move()
    return tried() >= least


@pytest.mark.parametrize(("name", "kind"), [("lean_async", "async"), ("lean", "sync")])
def test_no_job_uses_up_its_tries_while_what_it_leans_on_is_down(
    fleet: Fleet, folder: Path, name: str, kind: str
) -> None:
    there = folder / "there"
    jobs = push_leaning(JOBS, name, kind, there)
    fleet.worker("--children", "2")
    wait_until(lambda: is_tried(LIMIT), START)
    at_first = tried()
    wait_until(lambda: is_tried(at_first + 2), START)  # two probes, after 1 and 2 s

    other = push_job("other")
    wait_until(lambda: status(other) == "finished", START)
    # What had begun before the breaker opened, and the probes.
    assert tried() < JOBS / 2
    assert not [job for job in jobs if status(job) == "failed"]
    wait_until(lambda: is_holding(f"tests.sample.{name}"), START)

    there.touch()

    def all_have_ended() -> bool:
        move()
        return all(status(job) == "finished" for job in jobs)

    wait_until(all_have_ended, BACK_WITHIN)
    wait_until(lambda: not told(), START)
