"""Workers of both kinds, to be asked the same questions through RQ's own API."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from rq import Queue
from rq.command import send_stop_job_command
from rq.job import Job, JobStatus
from rq.scheduler import RQScheduler
from rq.serializers import JSONSerializer, PickleSerializer
from rq.worker import BaseWorker

from tasks.broker import keys
from tests.conftest import wait_until
from tests.engine import client, move
from tests.integration.conftest import START, Fleet

MODULE = "tests.contract.functions"

#: Queue names to their serializers; a stock worker speaks one of them only.
QUEUES = {"contract": JSONSerializer, "contract-pickle": PickleSerializer}

#: States that a worker does not leave by itself.
ENDED = {
    JobStatus.FINISHED,
    JobStatus.FAILED,
    JobStatus.STOPPED,
    JobStatus.CANCELED,
    JobStatus.SCHEDULED,
    JobStatus.DEFERRED,
}


class Runner:
    """A worker of one kind at `queue`, and the client's side of its jobs."""

    def __init__(self, kind: str, fleet: Fleet, name: str = "contract") -> None:
        self.kind = kind
        self.name = name
        self.serializer = QUEUES[name]
        self.queue = Queue(name, connection=client(), serializer=self.serializer)
        self.process = fleet.start(*self._command())
        wait_until(self.worker, START)

    @property
    def is_ours(self) -> bool:
        return self.kind == "ours"

    def _command(self) -> list[str]:
        if self.is_ours:
            slots = [
                "--children",
                "1",
                "--concurrency",
                "2000",
                "--name",
                f"ours-{self.name}",
            ]
            return ["manage.py", "worker", "--queues", self.name, *slots]
        url = ["--url", os.environ["REDIS_URL"], "--quiet", "--path", "."]
        serializer = f"rq.serializers.{self.serializer.__name__}"
        rq = ["-m", "rq.cli", "worker", *url, "--serializer", serializer]
        return [*rq, "--name", f"stock-{self.name}", self.name]

    def worker(self) -> BaseWorker | None:
        """Return RQ's own object of the worker, where it has said that it is there."""
        return BaseWorker.find_by_key(
            keys.worker(f"{self.kind}-{self.name}"), connection=client()
        )

    def fetch(self, job: Job) -> Job:
        return Job.fetch(job.id, client(), serializer=self.serializer)

    def wait(self, job: Job, status: JobStatus | None = None) -> Job:
        """Return the job as it is once it has ended, or reached `status`."""
        statuses = ENDED if status is None else {status}
        wait_until(lambda: job.get_status() in statuses)
        return self.fetch(job)

    def stop(self, job: Job) -> Job:
        """Have a running job stopped; return it as it ended."""
        self.wait(job, JobStatus.STARTED)
        worker = self.worker()
        assert worker is not None
        wait_until(lambda: worker.get_current_job_id() == job.id)
        send_stop_job_command(client(), job.id)
        return self.wait(job, JobStatus.STOPPED)

    def run(self, function: Any, *args: Any, **options: Any) -> Job:
        """Enqueue a call and return its job as it ended."""
        return self.wait(self.enqueue(function, *args, **options))

    def enqueue(self, function: Any, *args: Any, **options: Any) -> Job:
        return self.queue.enqueue(function, args=args, **options)

    def release(self, job: Job) -> None:
        """Let a scheduled job's moment come, as the scheduler of this kind does it."""
        registry = self.queue.scheduled_job_registry
        assert client().zadd(registry.key, {job.id: 1}, xx=True, ch=True) == 1
        if self.is_ours:
            move()
            return
        scheduler = RQScheduler([self.queue], client(), serializer=self.serializer)
        scheduler.acquire_locks()
        scheduler.enqueue_scheduled_jobs()
        scheduler.release_locks()

    def behind_a_gate(self, *enqueue: Callable[[], Job]) -> list[str]:
        """Enqueue jobs while the worker is busy; return what they noted, in order."""
        gate = self.enqueue(f"{MODULE}.wait_for", "gate")
        self.wait(gate, JobStatus.STARTED)
        jobs = [make() for make in enqueue]
        client().set("gate", "open")
        for job in jobs:
            self.wait(job)
        return [name.decode() for name in client().lrange("noted", 0, -1)]

    def others(self) -> list[Callable[[], Job]]:
        """Return more jobs to be enqueued than a worker of ours takes ahead."""
        names = [*(f"other {number}" for number in range(50)), "last"]
        return [partial(self.enqueue, f"{MODULE}.note", name) for name in names]


def told(job: Job) -> list[str]:
    """Return what the job's callbacks said."""
    return [word.decode() for word in client().lrange(f"told:{job.id}", 0, -1)]


def registries_of(job: Job, queue: Queue) -> set[str]:
    """Return the registries of RQ that hold the job."""
    found = {
        "started": queue.started_job_registry.get_job_ids(cleanup=False),
        "finished": queue.finished_job_registry.get_job_ids(cleanup=False),
        "failed": queue.failed_job_registry.get_job_ids(cleanup=False),
        "deferred": queue.deferred_job_registry.get_job_ids(cleanup=False),
        "scheduled": queue.scheduled_job_registry.get_job_ids(cleanup=False),
        "canceled": queue.canceled_job_registry.get_job_ids(cleanup=False),
        "queue": queue.get_job_ids(),
    }
    return {name for name, ids in found.items() if job.id in ids}
