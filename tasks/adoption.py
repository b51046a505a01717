"""Rows for jobs that Redis accepted: those of workers without the ledger, and of stock
clients."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from tasks.broker.events import Event
from tasks.broker.wire import PayloadUnreadable, parse_date, unpack_call
from tasks.ledger import job_from_row
from tasks.models import Dependency, Job
from tasks.registry import DEFAULT_QUEUE
from tasks.strict_json import clean_json

#: Who submitted a job that came without its row.
STOCK = "rq"

#: What a submission says, and no later event repeats.
SUBMITTED_COLUMNS = [
    "task",
    "args",
    "kwargs",
    "unreadable",
    "description",
    "tags",
    "timeout",
    "retries",
    "backoff",
    "at_front",
    "allow_failure",
    "submitted_by",
    "created_at",
]


def adopt_unknown(events: Sequence[Event]) -> None:
    """Make the rows that events speak of and the ledger does not have.

    Another recorder may have seen a later event first and have adopted the job as a stock
    client's; its row is completed when the event comes that carries it.
    """
    ids = {event["id"] for event in events}
    known = dict(Job.objects.filter(pk__in=ids).values_list("pk", "submitted_by"))
    sent = {event["id"]: row for event in events if (row := _row(event))}
    _write_sent(
        row for job_id, row in sent.items() if known.get(job_id, STOCK) == STOCK
    )
    stock = {
        event["id"]: _stock_job(event)
        for event in reversed(events)  # the first event of a job is the one that counts
        if event["id"] not in known and event["id"] not in sent
    }
    Job.objects.bulk_create(stock.values(), batch_size=500, ignore_conflicts=True)


def _row(event: Event) -> dict[str, Any] | None:
    try:
        row = json.loads(event["row"]) if event["row"] else None
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _write_sent(rows: Iterable[dict[str, Any]]) -> None:
    jobs: list[Job] = []
    edges: list[Dependency] = []
    for row in rows:
        job, parents = job_from_row(row)
        jobs.append(job)
        edges += [Dependency(child=job.id, parent=parent) for parent in parents]
    Job.objects.bulk_create(
        jobs,
        batch_size=500,
        update_conflicts=True,
        update_fields=SUBMITTED_COLUMNS,
        unique_fields=["id"],
    )
    Dependency.objects.bulk_create(edges, batch_size=1_000, ignore_conflicts=True)


def _stock_job(event: Event) -> Job:
    data = event.raw.get("rq.data", b"")
    job = Job(
        id=event["id"],
        queue=event["queue"] or DEFAULT_QUEUE,
        task=_described_function(event["rq.description"]),
        description=event["rq.description"].replace("\x00", "")[:1_000],
        timeout=event.number("rq.timeout"),
        retries=int(event.number("rq.retries_left") or 0),
        created_at=parse_date(event["rq.created_at"]) or datetime.now(UTC),
        enqueued_at=parse_date(event["rq.enqueued_at"]),
        submitted_by=STOCK,
    )
    try:
        job.task, job.args, job.kwargs = clean_json(list(unpack_call(data)))
    except PayloadUnreadable as error:
        job.unreadable = str(error)[:500]
    job.task = job.task[:255]
    return job


def _described_function(description: str) -> str:
    return description.partition("(")[0][:255] or "?"
