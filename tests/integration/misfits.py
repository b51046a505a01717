"""How misfits are pushed, and how the worker is seen to live on."""

from __future__ import annotations

from typing import Any

from rq.job import Job as RqJob
from rq.serializers import JSONSerializer

from tests.conftest import wait_until
from tests.engine import client, events, push_job, status
from tests.integration.conftest import START, Process


def push(name: str, kind: str, **kwargs: object) -> None:
    """Push a task of tests.misfits, its name as the id of the job."""
    path = f"tests.misfits.{name}"
    push_job(name, task=path, path=path, kind=kind, kwargs=kwargs)


def push_add(kind: str) -> str:
    """Push a job that any worker can run, and return its id."""
    name = "add_async" if kind == "async" else "add"
    path = f"tests.sample.{name}"
    return push_job(name, task=path, path=path, kind=kind)


def expect_work(worker: Process) -> None:
    """See the worker run its next jobs, in a child and on its loop."""
    jobs = [push_add("sync"), push_add("async")]
    wait_until(lambda: all(status(job_id) == "finished" for job_id in jobs), START)
    assert worker.poll() is None


def last(job_id: str) -> Any:
    return [event for event in events() if event["id"] == job_id][-1]


def returned(job_id: str) -> Any:
    """Return the result of a job as RQ reads it."""
    return RqJob.fetch(job_id, client(), serializer=JSONSerializer).return_value()
