"""What events say of jobs, as rows of the ledger.

Two numbers decide: of the last event, and of the last one that told of an attempt. Each
has columns that it settles alone, so that batches may be written in any order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from tasks.adoption import STOCK, SUBMITTED_COLUMNS, submission_of
from tasks.broker.events import Event
from tasks.broker.wire import parse_date
from tasks.bulk import BulkInsert, Row
from tasks.models import Job
from tasks.registry import DEFAULT_QUEUE
from tasks.states import ENDED, WAITING, State
from tasks.strict_json import clean_json

#: Kinds of event that tell of an attempt: that it begins, that it decided the job, or
#: that the job goes back.
STARTS = frozenset({"started"})
ENDS = frozenset({"finished", "failed", "stopped", "quarantined"})
RETURNS = frozenset({"retrying", "lost", "handedback", "vanished", "removed"})
TRIES = STARTS | ENDS | RETURNS

#: Columns that a job's last event settles.
LAST_COLUMNS = ("seq", "state", "queue", "due_at", "started_at", "ended_at")

#: Columns that the last event settles which told of an attempt.
TRY_COLUMNS = (
    "tried_seq",
    "worker",
    "attempt_count",
    "progress",
    "result",
    "result_size",
    "error",
    "message",
)


def _newest(columns: Iterable[str], by: str) -> dict[str, str]:
    return {
        name: f"CASE WHEN excluded.{by} > old.{by}"
        f" THEN excluded.{name} ELSE old.{name} END"
        for name in columns
    }


_COLUMNS = ("id", *LAST_COLUMNS, *TRY_COLUMNS, "enqueued_at")

_CHANGES = {
    **_newest(LAST_COLUMNS, by="seq"),
    **_newest(TRY_COLUMNS, by="tried_seq"),
    # It only grows, and so needs no number.
    "enqueued_at": "CASE WHEN old.enqueued_at > excluded.enqueued_at"
    " OR excluded.enqueued_at IS NULL THEN old.enqueued_at"
    " ELSE excluded.enqueued_at END",
}

#: Another recorder may see a later event first and take the job for a stock client's;
#: its row is completed when the event comes that tells of the submission.
_COMPLETED = {
    name: f"CASE WHEN old.submitted_by = '{STOCK}'"
    f" THEN excluded.{name} ELSE old.{name} END"
    for name in SUBMITTED_COLUMNS
}

JOBS = BulkInsert(
    Job, (*_COLUMNS, "created_at"), {"task": "?", "submitted_by": STOCK}, _CHANGES
)
SUBMITTED_JOBS = BulkInsert(
    Job, (*_COLUMNS, *SUBMITTED_COLUMNS), {}, _CHANGES | _COMPLETED
)


def job_rows(events: Iterable[Event]) -> tuple[list[Row], list[Row]]:
    """Return the rows of jobs (JOBS), and of those that tell of their submission."""
    known: list[Row] = []
    submitted: list[Row] = []
    for story in _stories(events):
        submission = submission_of(story.submission) if story.submission else None
        if submission:
            submitted.append((*story.row(), *submission))
        else:
            known.append((*story.row(), story.created_at()))
    return known, submitted


def _stories(events: Iterable[Event]) -> Iterable[_Story]:
    stories: dict[str, _Story] = {}
    for event in events:
        job_id = event.id
        story = stories.get(job_id)
        if story is None:
            story = stories[job_id] = _Story(job_id, event)
        story.add(event)
    return stories.values()


@dataclass(slots=True)
class _Story:
    """What the events of one batch say of one job."""

    id: str
    #: The first event at hand speaks for the job until one with a number does.
    last: Event
    seq: int = 0
    tried: Event | None = None
    tried_seq: int = 0
    submission: Event | None = None
    enqueued_at: datetime | None = None

    def add(self, event: Event) -> None:
        kind, seq = event.kind, event.seq
        if "row" in event or "rq.data" in event:
            self.submission = event
        if kind == "superseded":
            return
        if seq > self.seq:
            self.last, self.seq = event, seq
        if kind in TRIES and seq > self.tried_seq:
            self.tried, self.tried_seq = event, seq
        if self.submission is event:
            self._note_enqueued(parse_date(event["rq.enqueued_at"]))
        if event.state == State.QUEUED:
            self._note_enqueued(moment(event.number("at")))

    def _note_enqueued(self, at: datetime | None) -> None:
        if at and (self.enqueued_at is None or at > self.enqueued_at):
            self.enqueued_at = at

    def row(self) -> Row:
        last = (self.seq, *_last_values(self.last))
        tried = _try_values(self.tried) if self.tried else _NO_TRY
        return self.id, *last, self.tried_seq, *tried, self.enqueued_at

    def created_at(self) -> datetime:
        return moment(self.last.number("at")) or datetime.now(UTC)


def _last_values(event: Event) -> Row:
    """Return state, queue, due_at, started_at and ended_at."""
    state, at = event.state, moment(event.number("at"))
    due = started = ended = None
    if state in WAITING:
        due = moment(event.number("due"))
    elif state in ENDED:
        started, ended = moment(event.number("started")), at
    else:
        started = at
    return state, event["queue"] or DEFAULT_QUEUE, due, started, ended


#: worker, attempt_count, progress, result, result_size, error and message of none.
_NO_TRY: Row = ("", 0, None, "", 0, "", "")


def _try_values(event: Event) -> Row:
    made = int(event.number("attempt") or 0)
    if event.kind == "handedback":
        made = max(0, made - 1)
    if event.kind in STARTS:
        return event["worker"], made, None, "", 0, "", ""
    brought = _end_values(event) if event.kind in ENDS else (None, "", 0)
    error, message = event["error"][:200], storable(event["message"])
    return event["worker"], made, *brought, error, message


def _end_values(event: Event) -> Row:
    size = int(event.number("result_size") or 0)
    return _progress(event["progress"]), storable(event["result"]), size


def _progress(text: str) -> str | None:
    """Return progress as JSON that every database of ours can keep."""
    try:
        return json.dumps(clean_json(json.loads(text))) if text else None
    except (ValueError, RecursionError):
        return None


def moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def storable(text: str) -> str:
    """Return text without the character that PostgreSQL cannot hold."""
    return text.replace("\x00", "") if "\x00" in text else text
