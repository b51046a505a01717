"""Rows for jobs that Redis accepted: those of workers without the ledger, and of stock
clients."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from tasks import stored_words
from tasks.broker.events import Event
from tasks.broker.pickled import peek_path
from tasks.broker.wire import (
    PayloadPickled,
    PayloadUnreadable,
    parse_date,
    unpack_call,
)
from tasks.bulk import Row
from tasks.conf import get_config
from tasks.models import Dependency
from tasks.strict_json import clean_json

#: Who submitted a job that came without its row.
STOCK = "rq"

#: What a submission says, and no later event repeats.
SUBMITTED_COLUMNS = (
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
)


def submission_of(event: Event) -> Row | None:
    """Return SUBMITTED_COLUMNS as an event tells them, None where it cannot be read."""
    if event.raw("row"):
        row = _sent_row(event)
        return _sent(row) if row else None
    return _stock(event) if "rq.data" in event else None


def edges_of(events: Iterable[Event]) -> list[Dependency]:
    """Return the edges between jobs that events tell of."""
    sent = ((event.id, _sent_row(event)) for event in events if event.raw("row"))
    return [
        Dependency(child=job_id, parent=parent)
        for job_id, row in sent
        for parent in (row or {}).get("depends_on") or ()
    ]


def _sent_row(event: Event) -> dict[str, Any] | None:
    try:
        row = json.loads(event["row"])
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _sent(row: dict[str, Any]) -> Row:
    return (
        row["task"],
        json.dumps(row["args"]),
        json.dumps(row["kwargs"]),
        "",
        row["description"],
        json.dumps(row["tags"]),
        row["timeout"],
        row["retries"],
        row["backoff"],
        row["at_front"],
        row["allow_failure"],
        row["submitted_by"],
        parse_datetime(row["created_at"]),
    )


def _stock(event: Event) -> Row:
    task, args, kwargs, unreadable = _call(event)
    timeout = event.number("rq.timeout")
    return (
        task[:255],
        json.dumps(args),
        json.dumps(kwargs),
        unreadable,
        event["rq.description"].replace("\x00", "")[:1_000],
        "[]",
        None if timeout is None else int(timeout),
        int(event.number("rq.retries_left") or 0),
        0,
        False,
        False,
        STOCK,
        parse_date(event["rq.created_at"]) or datetime.now(UTC),
    )


def _call(event: Event) -> tuple[str, Any, Any, str]:
    """Return what a stock client's job calls: task, args, kwargs; or why none is known."""
    try:
        path, args, kwargs = clean_json(list(unpack_call(event.raw("rq.data"))))
    except PayloadPickled as error:
        return _pickled(event, error)
    except PayloadUnreadable as error:
        return _described_function(event), [], {}, str(error)[:500]
    return path, args, kwargs, ""


def _described_function(event: Event) -> str:
    return event["rq.description"].partition("(")[0].replace("\x00", "") or "?"


def _pickled(event: Event, error: PayloadPickled) -> tuple[str, Any, Any, str]:
    reason = (
        stored_words.PICKLED_ARGUMENTS
        if get_config().unpickles(event["queue"])
        else str(error)
    )
    path = peek_path(error.pickled).replace("\x00", "")
    return path or _described_function(event), [], {}, reason
