"""Tasks that end in ways nobody foresaw: each fails alone, and the worker goes on."""

from __future__ import annotations

import pytest

from tasks.broker.engine import LEASE_FOR
from tests.conftest import wait_until
from tests.engine import client, events, kinds, push_job, status, take_back
from tests.integration.conftest import START, Fleet

pytestmark = pytest.mark.integration


def push(name: str, kind: str, **kwargs: object) -> None:
    path = f"tests.sample.{name}"
    push_job(name, task=path, path=path, kind=kind, kwargs=kwargs)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("raise_strangely", "Strange"),
        ("say_half_a_surrogate", "ValueError"),
    ],
)
def test_the_job_fails_and_the_next_one_runs(
    fleet: Fleet, name: str, error: str
) -> None:
    worker = fleet.worker("--children", "1")
    push(name, "sync")
    push(f"{name}_async", "async")
    for job in (name, f"{name}_async"):
        wait_until(lambda job=job: status(job) == "failed", START)  # type: ignore[misc]
        assert [e["error"] for e in events() if e["id"] == job][-1] == error
    push("add", "sync", a=1)
    push("add_async", "async", a=1)
    wait_until(lambda: status("add") == "finished", START)
    wait_until(lambda: status("add_async") == "finished", START)
    assert worker.poll() is None


def test_endless_output_is_cut_and_does_not_reach_the_console(fleet: Fleet) -> None:
    worker = fleet.worker("--children", "1")
    push("print_without_end", "sync", megabytes=30)
    wait_until(lambda: status("print_without_end") == "finished", START)
    assert client().memory_usage("taskyard:log:print_without_end") < 12_000_000
    worker.terminate()
    assert len(worker.communicate(timeout=20)[0]) < 10_000


def test_a_coroutine_that_blocks_the_loop_past_its_lease_keeps_it(fleet: Fleet) -> None:
    fleet.worker("--children", "0")
    push("block", "async", seconds=LEASE_FOR + 3)
    wait_until(lambda: take_back("default") or status("block") == "finished", 40)
    assert kinds("block") == ["pushed", "started", "finished"]
