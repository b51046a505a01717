"""Folding the event stream into the ledger.

Each event carries the job's sequence number; one that is not larger than the row's changes
nothing, so events may come twice. They are acknowledged after the commit.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from tasks.adoption import adopt_unknown
from tasks.broker.events import Event
from tasks.broker.logs import read_attempt_log
from tasks.errors import BrokerUnavailable
from tasks.models import Attempt, Job
from tasks.states import State
from tasks.strict_json import clean_json

logger = logging.getLogger(__name__)

#: Kinds of event that end an attempt, and the state that the attempt then has.
ATTEMPT_ENDS = {
    "finished": State.FINISHED,
    "failed": State.FAILED,
    "stopped": State.STOPPED,
    "retrying": State.FAILED,
    "lost": State.LOST,
    "handedback": State.CANCELED,
    "superseded": State.LOST,
}

STATES = frozenset(State)

JOB_COLUMNS = [
    "state",
    "seq",
    "queue",
    "due_at",
    "enqueued_at",
    "started_at",
    "ended_at",
    "worker",
    "attempt_count",
    "progress",
    "result",
    "result_size",
    "error",
    "message",
]

ATTEMPT_COLUMNS = [
    "number",
    "state",
    "superseded",
    "worker",
    "host",
    "started_at",
    "ended_at",
    "error",
    "message",
    "traceback",
    "log",
]


@dataclass
class Batch:
    """Rows that a batch of events changes."""

    jobs: dict[str, Job]
    attempts: dict[str, Attempt]
    touched: set[str] = field(default_factory=set)
    logged: set[str] = field(default_factory=set)


def record(events: Sequence[Event]) -> None:
    """Fold events into the ledger, in one transaction."""
    events = [event for event in events if _is_sound(event)]
    with transaction.atomic():
        adopt_unknown(events)
        batch = _load(events)
        for event in sorted(events, key=lambda event: event.number("seq") or 0):
            _apply(batch, event)
        _save(batch)


def _is_sound(event: Event) -> bool:
    if event["id"] and event["state"] in STATES:
        return True
    logger.error("entry %s of the event stream is no event", event.entry)
    return False


def _load(events: Sequence[Event]) -> Batch:
    ids = {event["id"] for event in events}
    executions = {event["exec"] for event in events if event["exec"]}
    # Locked in the order of their keys, so that two recorders cannot block each other.
    jobs = Job.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    return Batch(
        {job.id: job for job in jobs},
        {attempt.id: attempt for attempt in Attempt.objects.filter(pk__in=executions)},
    )


def _apply(batch: Batch, event: Event) -> None:
    job = batch.jobs[event["id"]]
    if event["exec"]:
        _apply_to_attempt(batch, event)
    seq = int(event.number("seq") or 0)
    if event["kind"] == "superseded" or seq <= job.seq:
        return
    job.seq = seq
    job.state = event["state"]
    job.queue = event["queue"] or job.queue
    FOLDS.get(event["kind"], _fold_nothing)(job, event)
    batch.touched.add(job.id)


def _fold_nothing(job: Job, event: Event) -> None:
    """Change no more than the state."""


def _fold_waiting(job: Job, event: Event) -> None:
    job.due_at = _moment(event.number("due"))
    if job.state == State.QUEUED:
        job.enqueued_at = _moment(event.number("at"))
    job.started_at = job.ended_at = None


def _fold_start(job: Job, event: Event) -> None:
    job.started_at = _moment(event.number("at"))
    job.due_at = job.ended_at = None
    job.worker = event["worker"]
    job.attempt_count = int(event.number("attempt") or 0)
    job.progress = None
    job.error = job.message = job.result = ""
    job.result_size = 0


def _fold_end(job: Job, event: Event) -> None:
    job.ended_at = _moment(event.number("at"))
    job.due_at = None
    job.started_at = _moment(event.number("started")) or job.started_at
    job.worker = event["worker"] or job.worker
    job.attempt_count = int(event.number("attempt") or job.attempt_count)
    job.progress = _json(event["progress"]) or job.progress
    job.result = event["result"].replace("\x00", "")
    job.result_size = int(event.number("result_size") or 0)
    _fold_error(job, event)


def _fold_error(job: Job, event: Event) -> None:
    job.error = event["error"][:200]
    job.message = event["message"].replace("\x00", "")


def _fold_return(job: Job, event: Event) -> None:
    """A job that goes back: to be retried, handed back, or taken from a dead worker."""
    _fold_waiting(job, event)
    _fold_error(job, event)
    made = int(event.number("attempt") or job.attempt_count)
    job.attempt_count = max(0, made - 1) if event["kind"] == "handedback" else made


def _fold_cancel(job: Job, event: Event) -> None:
    job.ended_at = _moment(event.number("at"))


FOLDS: dict[str, Callable[[Job, Event], None]] = {
    "pushed": _fold_waiting,
    "released": _fold_waiting,
    "retried": _fold_waiting,
    "started": _fold_start,
    "finished": _fold_end,
    "failed": _fold_end,
    "stopped": _fold_end,
    "retrying": _fold_return,
    "lost": _fold_return,
    "handedback": _fold_return,
    "canceled": _fold_cancel,
}


def _apply_to_attempt(batch: Batch, event: Event) -> None:
    attempt = batch.attempts.get(event["exec"])
    if attempt is None:
        attempt = Attempt(id=event["exec"], job_key=event["id"])
        batch.attempts[attempt.id] = attempt
    attempt.number = int(event.number("attempt") or attempt.number)
    attempt.worker = attempt.worker or event["worker"]
    attempt.host = attempt.host or event["host"]
    if event["kind"] == "started":
        attempt.started_at = attempt.started_at or _moment(event.number("at"))
    elif _decides(event["kind"], attempt):
        _end_attempt(attempt, event)
        if event["logged"] == "1":
            batch.logged.add(attempt.id)


def _decides(kind: str, attempt: Attempt) -> bool:
    """Say whether an event of `kind` ends the attempt, in whichever order they come.

    A late end of a lost attempt is kept with it. The same end sent twice is told as
    superseded the second time, and then the first one stands.
    """
    if kind not in ATTEMPT_ENDS:
        return False
    if attempt.superseded:
        return kind not in ("superseded", "lost")
    is_lost = attempt.state == State.LOST
    return attempt.ended_at is None or (kind == "superseded" and is_lost)


def _end_attempt(attempt: Attempt, event: Event) -> None:
    attempt.state = ATTEMPT_ENDS[event["kind"]]
    attempt.superseded = event["kind"] == "superseded"
    attempt.started_at = _moment(event.number("started")) or attempt.started_at
    attempt.ended_at = _moment(event.number("at"))
    attempt.error = event["error"][:200]
    attempt.message = event["message"].replace("\x00", "")
    attempt.traceback = event["traceback"].replace("\x00", "")


def _save(batch: Batch) -> None:
    _attach_logs(batch.attempts[key] for key in batch.logged)
    touched = [batch.jobs[key] for key in batch.touched]
    # An upsert costs a tenth of bulk_update's CASE for each column; the rows exist.
    Job.objects.bulk_create(
        touched,
        batch_size=500,
        update_conflicts=True,
        update_fields=JOB_COLUMNS,
        unique_fields=["id"],
    )
    Attempt.objects.bulk_create(
        batch.attempts.values(),
        batch_size=500,
        update_conflicts=True,
        update_fields=ATTEMPT_COLUMNS,
        unique_fields=["id"],
    )


def _attach_logs(attempts: Iterable[Attempt]) -> None:
    for attempt in attempts:
        try:
            attempt.log = read_attempt_log(attempt.job_key, attempt.id)
        except BrokerUnavailable as error:
            logger.warning("the log of job %s was not kept: %s", attempt.job_key, error)


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _json(text: str) -> Any:
    try:
        return clean_json(json.loads(text)) if text else None
    except (ValueError, RecursionError):
        return None
