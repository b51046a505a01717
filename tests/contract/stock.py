"""RQ's own objects on the Redis of this test run, as its users make them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rq import Queue, Worker
from rq.job import Job
from rq.registry import (
    CanceledJobRegistry,
    DeferredJobRegistry,
    FailedJobRegistry,
    FinishedJobRegistry,
    ScheduledJobRegistry,
    StartedJobRegistry,
)
from rq.serializers import JSONSerializer

from tasks.broker import jobs as broker_jobs
from tasks.worker.loop import Worker as OurWorker
from tests.engine import client, push_job
from tests.integration.conftest import Fleet
from tests.tasks.worker.running import run_worker, until

JSON = "rq.serializers.JSONSerializer"

CLASSES = (
    StartedJobRegistry,
    FinishedJobRegistry,
    FailedJobRegistry,
    DeferredJobRegistry,
    ScheduledJobRegistry,
    CanceledJobRegistry,
)

WAIT = "tests.sample.wait_for_async"


def queue(name: str = "default") -> Queue:
    return Queue(name, connection=client(), serializer=JSONSerializer)


def fetch(job_id: str) -> Job:
    return Job.fetch(job_id, connection=client(), serializer=JSONSerializer)


def workers() -> list[Any]:
    return Worker.all(connection=client(), serializer=JSONSerializer)


def worker_named(name: str) -> Any:
    key = f"{Worker.redis_worker_namespace_prefix}{name}"
    return Worker.find_by_key(key, connection=client(), serializer=JSONSerializer)


def rq_command(*words: str) -> Sequence[str]:
    """Return the command line of RQ's own program on this Redis."""
    command, *options = words
    return ["-m", "rq.cli", command, "--url", os.environ["REDIS_URL"], *options]


def run_stock_worker(fleet: Fleet, *queues: str) -> None:
    """Run RQ's own worker, which knows no Django settings, until its queues are empty."""
    options = ["--burst", "--quiet", "--serializer", JSON]
    options += ["--worker-class", "rq.SimpleWorker"]  # it imports the tasks once only
    fleet.run(*rq_command("worker", *options, *queues), PYTHONPATH=".")


def beside(act: Callable[[], Any], *queues: str, **options: Any) -> None:
    """Run a worker of ours on `queues`, and `act` beside it, as another process would."""

    async def script(_worker: OurWorker) -> None:
        await until(workers)
        await asyncio.to_thread(act)

    run_worker(script, *queues, **options)


def push_waiter(job_id: str, path: Path, **fields: Any) -> str:
    """Push a coroutine that runs until `path` exists."""
    kwargs = {"path": str(path)}
    return push_job(job_id, task=WAIT, path=WAIT, kind="async", kwargs=kwargs, **fields)


def push_async(job_id: str, name: str, **fields: Any) -> str:
    path = f"tests.sample.{name}"
    return push_job(job_id, task=path, path=path, kind="async", **fields)


def registries() -> dict[str, Any]:
    """Return RQ's registries of the default queue by their short names."""
    return {
        found.__name__.removesuffix("JobRegistry").lower(): found(queue=queue())
        for found in CLASSES
    }


def ids(*, cleanup: bool = True) -> dict[str, list[str]]:
    return {
        name: registry.get_job_ids(cleanup=cleanup)
        for name, registry in registries().items()
    }


def fill(folder: Path) -> dict[str, list[str]]:
    """Have one job in each state, and return what each registry should hold."""
    push_waiter("waits", folder / "go")
    push_job("good")
    push_job("bad", task="tests.sample.fail", path="tests.sample.fail", kwargs={})
    push_job("child", depends_on=["waits"])
    retried = {"retries": 1, "backoff": 3600.0}
    path = "tests.sample.fail"
    push_job("retried", task=path, path=path, kwargs={}, **retried)
    push_job("canceled", due_at=datetime.now(UTC) + timedelta(hours=1))
    broker_jobs.cancel("canceled", "me")
    return {
        "started": ["waits"],
        "finished": ["good"],
        "failed": ["bad"],
        "deferred": ["child"],
        "scheduled": ["retried"],
        "canceled": ["canceled"],
    }
