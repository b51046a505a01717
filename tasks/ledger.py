"""Writing accepted jobs into the ledger, and reading them back for a push."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.utils.dateparse import parse_datetime

from tasks.broker.wire import Envelope
from tasks.errors import (
    IdempotencyConflict,
    InvalidArguments,
    JobExists,
    TaskNotRegistered,
)
from tasks.models import Dependency, Job
from tasks.registry import registry


def accept(
    submissions: Sequence[tuple[Envelope, str | None]],
) -> list[tuple[Envelope, bool]]:
    """Write the rows of jobs with their idempotency keys, in one transaction.

    Returns each job with whether it is new; a repeated key brings the first job back.
    Raises JobExists and IdempotencyConflict, having written nothing.
    """
    if len(submissions) == 1:
        envelope, key = submissions[0]
        earlier = _earlier(envelope, key) if key else None
        if earlier:
            return [(earlier, False)]
    try:
        with transaction.atomic():
            _write(submissions)
    except IntegrityError as error:
        return [_explain(*submissions[0], error)]
    return [(envelope, True) for envelope, _key in submissions]


def _write(submissions: Sequence[tuple[Envelope, str | None]]) -> None:
    Job.objects.bulk_create(
        [job_row(envelope, key) for envelope, key in submissions], batch_size=500
    )
    edges = [
        Dependency(child=envelope.id, parent=parent)
        for envelope, _key in submissions
        for parent in envelope.depends_on
    ]
    if edges:
        Dependency.objects.bulk_create(edges, batch_size=1_000)


def _explain(
    envelope: Envelope, key: str | None, error: IntegrityError
) -> tuple[Envelope, bool]:
    """Say why the row could not be written: another request was first, or the id is used."""
    earlier = _earlier(envelope, key) if key else None
    if earlier:
        return earlier, False
    if Job.objects.filter(pk=envelope.id).exists():
        raise JobExists(envelope.id) from error
    raise error


def _earlier(envelope: Envelope, key: str) -> Envelope | None:
    job = Job.objects.filter(task=envelope.task, idempotency_key=key).first()
    if job is None:
        return None
    if not _same_arguments(job, envelope):
        raise IdempotencyConflict(key, job.id)
    return envelope_of(job, [])


def _same_arguments(job: Job, envelope: Envelope) -> bool:
    first, second = (job.args, job.kwargs), (envelope.args, envelope.kwargs)
    try:
        return registry.get(job.task).signature.same_call(first, second)
    except (InvalidArguments, TaskNotRegistered):  # the task changed since
        return False


def job_row(envelope: Envelope, key: str | None = None) -> Job:
    """Return the row of a job that was just submitted; it is not saved yet."""
    columns = envelope.row()
    del columns["depends_on"]
    columns |= {"created_at": envelope.created_at, "due_at": envelope.due_at}
    return Job(idempotency_key=key, **columns)


def job_from_row(row: dict[str, object]) -> tuple[Job, list[str]]:
    """Return the job, and its parents, that an event's row describes."""
    parents = row.pop("depends_on", None)
    for name in ("created_at", "due_at"):
        row[name] = parse_datetime(str(row[name])) if row.get(name) else None
    return Job(**row), list(parents) if isinstance(parents, list) else []


def envelope_of(job: Job, parents: Sequence[str]) -> Envelope:
    """Return a job as it is pushed, from its row."""
    task = registry.find(job.task)
    return Envelope(
        id=job.id,
        task=job.task,
        path=task.path if task else job.task,
        queue=job.queue,
        kind="async" if task and task.is_async else "sync",
        args=job.args,
        kwargs=job.kwargs,
        description=job.description,
        tags=job.tags,
        timeout=job.timeout or -1,
        retries=job.retries,
        backoff=job.backoff,
        at_front=job.at_front,
        allow_failure=job.allow_failure,
        depends_on=parents,
        created_at=job.created_at,
        due_at=job.due_at,
        submitted_by=job.submitted_by,
        seq=job.seq,
        attempts=job.attempt_count,
    )


def parents_of(job_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the ids that each job waits for."""
    parents: dict[str, list[str]] = {job_id: [] for job_id in job_ids}
    edges = Dependency.objects.filter(child__in=job_ids).values_list("child", "parent")
    for child, parent in edges:
        parents[child].append(parent)
    return parents


def states_of(job_ids: Sequence[str]) -> dict[str, str]:
    """Return the ledger's state of each job that it knows."""
    return dict(Job.objects.filter(pk__in=job_ids).values_list("id", "state"))
