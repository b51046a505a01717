"""What the acts find: jobs that wait, run, were lost, or that Redis has forgotten."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from typing import Any

from django.utils import timezone

from benchmarks.faults import jobs, journal
from benchmarks.faults.crashes import aftermath
from benchmarks.faults.crashes.aftermath import Worker
from tasks import submit
from tasks.broker import keys
from tasks.broker.attempts import Claimed, Settlement
from tasks.broker.client import get_client
from tasks.conf import get_config
from tasks.models import Job
from tasks.scheduler import Scheduler

#: The worker that acts, or that has died before the act, and the number of its process.
WORKER, PID, START = "w-first", 4_000_000, "start-first"


def push(*ids: str, task: Any = jobs.brief, **options: Any) -> None:
    """Submit jobs, each under its id, and note that they were accepted."""
    for job_id in ids:
        handle = submit(task, id=job_id, queue="first", **options)
        journal.accept([handle.id])


def have_parents() -> None:
    """Have one parent that ended and one that waits."""
    push("ended")
    aftermath.come_by(Scheduler())
    push("waiting")


def have_several() -> None:
    push("one", "two")
    push("patient", retries=2, backoff=0.1)
    push("delicate", task=jobs.delicate)
    push("precious", task=jobs.precious)
    aftermath.record()


def have_claimed() -> list[Claimed]:
    """Have jobs that a worker runs, and one that waits for two of them."""
    have_several()
    push("child", depends_on=["one", "two"], allow_failure=True)
    with Worker(WORKER) as worker:
        taken = worker.claim()
    for job in taken:
        journal.write(journal.START, job.id, job.attempt)
    return taken


def have_run() -> list[Claimed]:
    """Have jobs whose code has come to its end."""
    taken = have_claimed()
    for job in taken:
        journal.write(journal.END, job.id, job.attempt)
    return taken


def have_registered() -> None:
    """Have jobs that a worker runs which told of itself."""
    facts = {"hostname": "host", "pid": PID, "queues": "first,second"}
    with Worker(WORKER) as worker:
        worker.register({**facts, "version": "taskyard 0", "ty:start": START})
    # Each crash begins with a copy of this, the last of them an hour later.
    get_client().persist(keys.worker(WORKER))
    have_claimed()


def have_silent() -> None:
    """Have jobs of a worker that has not told of itself for a while."""
    have_registered()
    get_client().hset(keys.worker(WORKER), "ty:seen", str(time.time() - 60))


def have_lost() -> None:
    """Have jobs whose worker died a while ago."""
    have_claimed()
    client: Any = get_client()
    for member in client.zrange(keys.lease("first"), 0, -1):
        client.zadd(keys.lease("first"), {member: 1})


def have_unpushed() -> None:
    """Have jobs that were accepted a minute ago while Redis was away."""
    url = os.environ["REDIS_URL"]
    _use_redis("redis://127.0.0.1:1/0")
    push("one", "two")
    _use_redis(url)
    push("three")
    Job.objects.update(created_at=timezone.now() - timedelta(minutes=1))


def _use_redis(url: str) -> None:
    os.environ["REDIS_URL"] = url
    get_config.cache_clear()
    get_client.cache_clear()


def have_events() -> None:
    """Have events of whole lives that nobody has recorded."""
    push("one", "two")
    with Worker(WORKER) as worker:
        worker.work()


def have_forgotten() -> None:
    """Have a Redis that forgot what waited, what ran, and what it was."""
    have_claimed()
    push("later", delay=1)
    aftermath.record()
    aftermath.compare()
    get_client().flushdb()


def have_damaged() -> None:
    """Have a Redis in which some keys of jobs are gone."""
    have_claimed()
    push("unlisted", "unwritten")
    aftermath.record()
    aftermath.compare()
    client = get_client()
    client.lrem(keys.queue("first"), 0, "unlisted")
    client.delete(keys.job("unwritten"))
    client.delete(keys.lease("first"))


def have_failed() -> None:
    taken, now = have_claimed(), time.time()
    with Worker(WORKER) as worker:
        worker.settle([Settlement(job, "fail", now) for job in taken])
    aftermath.record()
