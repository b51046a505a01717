"""Writing accepted jobs into the ledger, and reading them back for a push."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from django.db import IntegrityError, connection, transaction
from django.db.models import Count, Exists, OuterRef

from tasks.broker.wire import Envelope
from tasks.bulk import BulkInsert, Row
from tasks.errors import (
    IdempotencyConflict,
    InvalidArguments,
    JobExists,
    TaskNotRegistered,
)
from tasks.models import Attempt, Audit, Dependency, Job
from tasks.registry import REQUEUE, registry
from tasks.states import State
from tasks.stored_words import RETRY

#: Rows of jobs that were just submitted.
ACCEPTED = BulkInsert(
    Job,
    (
        "id",
        "task",
        "queue",
        "args",
        "kwargs",
        "description",
        "tags",
        "timeout",
        "retries",
        "backoff",
        "at_front",
        "allow_failure",
        "submitted_by",
        "created_at",
        "due_at",
        "idempotency_key",
    ),
)

#: What RQ calls the states that only the ledger knows.
RQ_WORDS = {State.LOST.value: "failed", State.QUARANTINED.value: "failed"}


def accept(envelopes: Sequence[Envelope], key: str | None = None) -> str | None:
    """Write the rows of jobs, and one job's idempotency key, in one transaction.

    Returns the id of another job that was first with the key; then nothing was written.
    Raises JobExists and IdempotencyConflict, having written nothing.
    """
    try:
        with _one_transaction(envelopes):
            _write(envelopes, key)
    except IntegrityError as error:
        return _explain(envelopes, key, error)
    return None


def _one_transaction(envelopes: Sequence[Envelope]) -> AbstractContextManager[None]:
    is_one_statement = len(envelopes) == 1 and not envelopes[0].depends_on
    if is_one_statement and not connection.in_atomic_block:
        return nullcontext()  # a BEGIN and a COMMIT would be two round trips more
    return transaction.atomic()


def _write(envelopes: Sequence[Envelope], key: str | None) -> None:
    ACCEPTED.write([_row(envelope, key) for envelope in envelopes])
    edges = [
        Dependency(child=envelope.id, parent=parent)
        for envelope in envelopes
        for parent in envelope.depends_on
    ]
    if edges:
        Dependency.objects.bulk_create(edges, batch_size=1_000)


def _explain(
    envelopes: Sequence[Envelope], key: str | None, error: IntegrityError
) -> str:
    """Say why rows could not be written: another request was first, or an id is used."""
    if key and (earlier := find_earlier(envelopes[0], key)):
        return earlier
    used = Job.objects.filter(pk__in=[envelope.id for envelope in envelopes])
    if job := used.only("pk").first():
        raise JobExists(job.pk) from error
    raise error


def find_earlier(envelope: Envelope, key: str) -> str | None:
    """Return the id of the job that has the key. Raises IdempotencyConflict."""
    job = Job.objects.filter(task=envelope.task, idempotency_key=key).first()
    if job is None:
        return None
    if not _same_arguments(job, envelope):
        raise IdempotencyConflict(key, job.id)
    return job.id


def _same_arguments(job: Job, envelope: Envelope) -> bool:
    first, second = (job.args, job.kwargs), (envelope.args, envelope.kwargs)
    try:
        return registry.get(job.task).signature.same_call(first, second)
    except (InvalidArguments, TaskNotRegistered):  # the task changed since
        return False


def _row(envelope: Envelope, key: str | None) -> Row:
    return (
        envelope.id,
        envelope.task,
        envelope.queue,
        envelope.args_text,
        envelope.kwargs_text,
        envelope.description,
        json.dumps(list(envelope.tags)) if envelope.tags else "[]",
        envelope.timeout,
        envelope.retries,
        envelope.backoff,
        envelope.at_front,
        envelope.allow_failure,
        envelope.submitted_by,
        envelope.created_at,
        envelope.due_at,
        key,
    )


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
        on_worker_lost=task.on_worker_lost if task else REQUEUE,
    )


def parents_of(job_ids: Sequence[str]) -> dict[str, list[str]]:
    """Return the ids that each job waits for."""
    parents: dict[str, list[str]] = {job_id: [] for job_id in job_ids}
    edges = Dependency.objects.filter(child__in=job_ids).values_list("child", "parent")
    for child, parent in edges:
        parents[child].append(parent)
    return parents


def retries_made(job_ids: Sequence[str]) -> dict[str, int]:
    """Return how many retries each job has had, since somebody retried it if so."""
    by_hand = Audit.objects.filter(
        target=OuterRef("job_key"), verb="retry", at__gte=OuterRef("ended_at")
    )
    failures = Attempt.objects.filter(
        ~Exists(by_hand), job_key__in=job_ids, state=State.FAILED
    )
    # One whose task asked to be retried cost none of them.
    counted = failures.exclude(error=RETRY).order_by().values_list("job_key")
    return dict(counted.annotate(Count("pk")))


def states_of(job_ids: Sequence[str]) -> dict[str, str]:
    """Return the state of each job that the ledger knows, in RQ's words."""
    states = dict(Job.objects.filter(pk__in=job_ids).values_list("id", "state"))
    return {job_id: RQ_WORDS.get(state, state) for job_id, state in states.items()}
