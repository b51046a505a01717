"""Rows for tests: plain functions with keyword defaults."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import Permission, User
from django.utils import timezone

from tasks.models import Attempt, Dependency, Job, Pause, Recovery
from tasks.states import ENDED, State

#: How long jobs of tests wait and run.
WAITED = timedelta(seconds=2)
RAN = timedelta(seconds=3)


def create_job(
    *,
    state: State = State.QUEUED,
    task: str = "tests.sample.add",
    queue: str = "default",
    kwargs: dict[str, Any] | None = None,
    created_at: datetime | None = None,
    parents: Iterable[Job] = (),
    **fields: Any,
) -> Job:
    """Create a job whose times fit its state; `fields` are further columns."""
    created_at = created_at or timezone.now() - timedelta(minutes=1)
    times = _times(state, created_at)
    job = Job.objects.create(
        **{
            "id": str(uuid.uuid4()),
            "task": task,
            "queue": queue,
            "state": state,
            "kwargs": {"a": 1, "b": 2} if kwargs is None else kwargs,
            "created_at": created_at,
            **times,
            **fields,
        }
    )
    edges = [Dependency(child=job.id, parent=parent.id) for parent in parents]
    Dependency.objects.bulk_create(edges)
    return job


def _times(state: State, created_at: datetime) -> dict[str, datetime]:
    if state in (State.CREATED, State.DEFERRED):
        return {}
    if state == State.SCHEDULED:
        return {"due_at": timezone.now() + timedelta(minutes=5)}
    times = {"enqueued_at": created_at}
    if state == State.STARTED or state in ENDED - {State.CANCELED}:
        times["started_at"] = created_at + WAITED
    if state in ENDED:
        times["ended_at"] = created_at + WAITED + RAN
    return times


def create_attempt(
    job: Job, *, number: int = 1, state: State | None = None, **fields: Any
) -> Attempt:
    """Create a try of `job` that stands as the job does."""
    return Attempt.objects.create(
        **{
            "id": uuid.uuid4().hex,
            "job_key": job.id,
            "number": number,
            "state": state or job.state,
            "worker": "w1",
            "host": "vm-3",
            "started_at": job.started_at,
            "ended_at": job.ended_at,
            "error": job.error,
            "message": job.message,
            **fields,
        }
    )


def create_pause(queue: str = "default", **fields: Any) -> Pause:
    """Create the row of a paused queue, of which Redis has not heard."""
    return Pause.objects.create(**{"target": queue, "actor": "mara", **fields})


def create_recovery(worker: str = "w2", **fields: Any) -> Recovery:
    """Create the row of a worker that was lost a minute ago, and noticed after 16 s."""
    last_seen_at = timezone.now() - timedelta(minutes=1)
    facts = {
        "host": "vm-4",
        "pid": 77,
        "queues": ["default"],
        "slots": 4,
        "running": 2,
        "last_seen_at": last_seen_at,
        "noticed_at": last_seen_at + timedelta(seconds=16),
    }
    return Recovery.objects.create(**{"worker": worker, **facts, **fields})


def lose_job(job: Job, worker: str = "w2", **fields: Any) -> Attempt:
    """Create the attempt of `job` that ended with its worker."""
    return create_attempt(
        job,
        **{
            "state": State.LOST,
            "worker": worker,
            "host": "vm-4",
            "ended_at": timezone.now() - timedelta(seconds=40),
            "error": "WorkerLost",
            "message": f"worker {worker} stopped answering",
            **fields,
        },
    )


def create_user(
    name: str = "mara", *, permissions: Iterable[str] = ("view_job",)
) -> User:
    """Create a user who has some permissions of the app `tasks`."""
    user = User.objects.create_user(name)
    user.user_permissions.set(
        Permission.objects.filter(
            content_type__app_label="tasks", codename__in=list(permissions)
        )
    )
    return user


#: Who may look only, and who may do everything.
VIEWER = ("view_job",)
OPERATOR = ("view_job", "submit_job", "operate_job", "manage_schedule")
