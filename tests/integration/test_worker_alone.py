from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.engine import events, push_job, status
from tests.integration.conftest import START, Fleet, environment_of

pytestmark = pytest.mark.integration

#: Nobody can make a folder there, not even root.
UNWRITABLE = "/proc/taskyard"


def test_a_worker_needs_only_redis_and_the_names_of_tasks(
    make_fleet: Callable[..., Fleet],
) -> None:
    fleet = make_fleet(REDIS_URL=os.environ["REDIS_URL"])
    worker = fleet.worker("--children", "1", TASKYARD_DATA=UNWRITABLE)
    assert "DATABASE_URL" not in environment_of(worker.pid)
    push_job("sync")
    path = "tests.sample.add_async"
    push_job("async", task=path, path=path, kind="async")
    wait_until(lambda: status("sync") == status("async") == "finished", START)
    assert not Path(UNWRITABLE).exists()


def test_a_job_there_submits_another_by_redis(
    make_fleet: Callable[..., Fleet],
) -> None:
    fleet = make_fleet(REDIS_URL=os.environ["REDIS_URL"])
    fleet.worker("--children", "1", TASKYARD_DATA=UNWRITABLE)
    path = "tests.sample.submit_sync"
    push_job("a", task=path, path=path, kwargs={"number": 5})
    wait_until(
        lambda: len([e for e in events() if e["kind"] == "finished"]) == 2, START
    )
    (child,) = {event["id"] for event in events()} - {"a"}
    assert '"task": "tests.sample.add"' in next(
        event["row"] for event in events() if event["id"] == child
    )


def test_the_tasks_of_the_working_folder_run(
    make_fleet: Callable[..., Fleet], folder: Path
) -> None:
    """The five lines of the README: a jobs.py beside where the worker is started."""
    (folder / "jobs.py").write_text(
        "from tasks import task\n\n@task\ndef hello(name: str) -> str:\n"
        "    return f'hello {name}'\n"
    )
    fleet = make_fleet(REDIS_URL=os.environ["REDIS_URL"], PYTHONPATH=str(folder))
    fleet.worker("--children", "1", TASKYARD_TASKS="jobs", TASKYARD_DATA=UNWRITABLE)
    push_job("a", task="jobs.hello", path="jobs.hello", kwargs={"name": "Ann"})
    wait_until(lambda: status("a") == "finished", START)
    assert events()[-1]["result"] == '"hello Ann"'
