"""Building what the API gives from the ledger's rows."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

from dashboard.api.payloads import (
    AttemptOut,
    ErrorOut,
    JobBrief,
    JobOut,
    ProgressOut,
    job_url,
)
from tasks.broker.snapshot import parse_progress, read_progress
from tasks.errors import BrokerUnavailable
from tasks.job_reports import JobRow
from tasks.models import Attempt, Dependency, Job
from tasks.states import State
from tasks.stored_words import word_error, word_unreadable

#: Attempts and parents of one job that are shown; the newest attempts win.
ATTEMPTS_SHOWN = 100
PARENTS_SHOWN = 1000

#: Levels of nesting that go out as JSON; deeper values go out as their JSON text,
#: because writers and readers of JSON give up at some depth.
DEPTH_SHOWN = 100


#: What a job shows as its row has it.
_PLAIN = (
    *("id", "task", "queue", "state", "description", "tags"),
    *("retries", "timeout", "worker", "result_cut"),
    *("created_at", "due_at", "enqueued_at", "started_at", "ended_at"),
)


def brief(row: JobRow) -> JobBrief:
    """Return what a list shows of a job."""
    return JobBrief(url=job_url(row.id), **asdict(row))


def whole(job: Job) -> JobOut:
    """Return all that is known of a job, with live progress while it runs."""
    return JobOut(
        **{name: getattr(job, name) for name in _PLAIN},
        url=job_url(job.id),
        args={name: shallow(value) for name, value in job.kwargs.items()},
        positional=[shallow(value) for value in job.args],
        unreadable=word_unreadable(job.unreadable),
        depends_on=_parents(job),
        attempts=_attempts(job),
        progress=_progress(job),
        result=_result(job),
        error=_error(job),
    )


def shallow(value: Any) -> Any:
    """Return `value`, or its JSON text where it is nested very deeply."""
    return value if _is_shallow(value, DEPTH_SHOWN) else json.dumps(value)


def _is_shallow(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return True
    return levels > 0 and all(_is_shallow(part, levels - 1) for part in value)


def _parents(job: Job) -> list[str]:
    edges = Dependency.objects.filter(child=job.id).order_by("parent")
    return list(edges.values_list("parent", flat=True)[:PARENTS_SHOWN])


def _progress(job: Job) -> ProgressOut | None:
    """Return the live progress of a running job, else the last that was recorded."""
    live = None
    if job.state == State.STARTED:
        try:
            live = read_progress([job.id]).get(job.id)
        except BrokerUnavailable:
            live = None
    known = live or parse_progress(job.progress or {})
    if known is None or not _are_finite(known.done, known.total):
        return None
    return ProgressOut(done=known.done, total=known.total, text=known.text)


def _are_finite(*numbers: float | None) -> bool:
    """Say whether JSON can hold the numbers, which a task may have made up."""
    return all(number is None or math.isfinite(number) for number in numbers)


def _result(job: Job) -> Any:
    if not job.result or job.result_cut:
        return job.result or None
    try:
        # NaN and Infinity, which some tasks return, are not JSON: they go out as text.
        return shallow(json.loads(job.result, parse_constant=str))
    except (ValueError, RecursionError):
        return job.result


def _error(job: Job) -> ErrorOut | None:
    if not job.error and not job.message:
        return None
    return ErrorOut(type=job.error, message=word_error(job.error, job.message))


def _attempts(job: Job) -> list[AttemptOut]:
    newest = Attempt.objects.filter(job_key=job.id).order_by("-number", "-started_at")
    shown = newest.defer("log")[:ATTEMPTS_SHOWN]
    return [_attempt(attempt) for attempt in reversed(shown)]


def _attempt(attempt: Attempt) -> AttemptOut:
    facts = {name: getattr(attempt, name) for name in AttemptOut.model_fields}
    facts["message"] = word_error(attempt.error, attempt.message)
    return AttemptOut(**facts)
