"""The read side of one job's page: the row, its attempts, relatives and history."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models.functions import Length, Right

from tasks.calls import describe_call
from tasks.errors import JobNotFound
from tasks.job_reports import ran_for
from tasks.models import Attempt, Audit, Dependency, Job
from tasks.states import State
from tasks.strict_json import clean_json
from tasks.task_reports import usual_duration

#: Rows that each part of the page shows; what is left out is counted or linked.
ATTEMPTS_SHOWN = 20
RELATIVES_SHOWN = 20
HISTORY_SHOWN = 20

#: Characters of a kept log, a result and an argument list that the page shows.
LOG_SHOWN = 40_000
RESULT_SHOWN = 40_000


@dataclass(frozen=True)
class AttemptRow:
    """One try, as the table of attempts shows it."""

    id: str
    number: int
    state: str
    superseded: bool
    worker: str
    host: str
    started_at: datetime | None
    ended_at: datetime | None
    error: str
    message: str

    @property
    def place(self) -> str:
        return place_of(self.worker, self.host)

    @property
    def ran(self) -> timedelta | None:
        return (
            self.ended_at - self.started_at
            if self.ended_at and self.started_at
            else None
        )


@dataclass(frozen=True)
class Relative:
    """A job that this one waits for, or that waits for it; `state` "" if it is gone."""

    id: str
    task: str = ""
    state: str = ""
    call: str = ""


@dataclass(frozen=True)
class Relatives:
    rows: tuple[Relative, ...] = ()
    #: Whether there are more than are shown.
    more: bool = False


@dataclass(frozen=True)
class Text:
    """A text of which a page shows at most a part; `size` is the whole's, in bytes."""

    shown: str = ""
    size: int = 0
    cut: bool = False


@dataclass(frozen=True)
class JobDetails:
    """All that the ledger says about one job."""

    job: Job
    attempts: tuple[AttemptRow, ...]
    parents: Relatives
    children: Relatives
    history: tuple[Audit, ...]
    #: 95 of 100 runs of the task in the last 24 h took no longer; None: too few ran.
    usual: timedelta | None
    result: Text
    log: Text
    traceback: str
    host: str

    def ran(self, now: datetime) -> timedelta | None:
        return ran_for(self.job, now)


def place_of(worker: str, host: str) -> str:
    """Return the worker with its host, which most workers' names begin with."""
    return f"{worker} · {host}" if host and not worker.startswith(host) else worker


def get_job(job_id: str) -> Job:
    """Return the job's row. Raises JobNotFound."""
    # PostgreSQL refuses a NUL even in a question.
    job = None if "\0" in job_id else Job.objects.filter(pk=job_id).first()
    if job is None:
        raise JobNotFound(job_id)
    return job


def read_details(job: Job, now: datetime) -> JobDetails:
    """Return what the ledger says about `job`, in a fixed number of queries."""
    attempts = _read_attempts(job.id)
    last = _read_last_attempt(job.id)
    return JobDetails(
        job=job,
        attempts=attempts,
        parents=_read_parents(job.id),
        children=_read_children(job.id),
        history=tuple(Audit.objects.filter(target=job.id)[:HISTORY_SHOWN]),
        usual=usual_duration(job.task, now),
        result=_result(job),
        log=_log(last),
        traceback=last.get("traceback", ""),
        host=last.get("host", ""),
    )


def _read_attempts(job_id: str) -> tuple[AttemptRow, ...]:
    columns = AttemptRow.__dataclass_fields__
    rows = Attempt.objects.filter(job_key=job_id).order_by("-number").values(*columns)
    return tuple(AttemptRow(**row) for row in rows[:ATTEMPTS_SHOWN])


def _read_last_attempt(job_id: str) -> dict[str, Any]:
    """Return what the page shows of the last attempt, with only the end of its log."""
    counted = Attempt.objects.filter(job_key=job_id, superseded=False)
    last = counted.order_by("-number").values(
        "host",
        "traceback",
        log_size=Length("log"),
        log_tail=Right("log", LOG_SHOWN),
    )
    found = last.first()
    return dict(found) if found else {}


def _log(last: dict[str, Any]) -> Text:
    tail, size = last.get("log_tail") or "", last.get("log_size") or 0
    return Text(tail, size, cut=size > len(tail))


def read_whole_log(job_id: str) -> str:
    """Return the kept logs of all attempts of a job, one after the other."""
    logs = Attempt.objects.filter(job_key=job_id).order_by("number")
    return "\n".join(logs.values_list("log", flat=True))


def _read_parents(job_id: str) -> Relatives:
    edges = Dependency.objects.filter(child=job_id).order_by("parent")
    ids = list(edges.values_list("parent", flat=True)[: RELATIVES_SHOWN + 1])
    return _relatives(ids)


def _read_children(job_id: str) -> Relatives:
    edges = Dependency.objects.filter(parent=job_id).order_by("child")
    ids = list(edges.values_list("child", flat=True)[: RELATIVES_SHOWN + 1])
    return _relatives(ids)


def _relatives(ids: list[str]) -> Relatives:
    shown = ids[:RELATIVES_SHOWN]
    found = {job.id: _relative(job) for job in _light_jobs(shown)}
    rows = tuple(found.get(job_id, Relative(job_id)) for job_id in shown)
    return Relatives(rows, more=len(ids) > RELATIVES_SHOWN)


def _light_jobs(ids: list[str]) -> Iterable[Job]:
    return Job.objects.filter(pk__in=ids).only(
        "id", "task", "state", "args", "kwargs", "unreadable"
    )


def _relative(job: Job) -> Relative:
    call = describe_call(job.args, job.kwargs, job.unreadable)
    return Relative(job.id, job.task, job.state, call)


def _result(job: Job) -> Text:
    pretty = pretty_json(job.result)
    shown = pretty[:RESULT_SHOWN]
    cut = job.result_cut or len(pretty) > RESULT_SHOWN
    return Text(shown, job.result_size, cut)


def pretty_json(text: str) -> str:
    """Return JSON text indented; other text, such as JSON that was cut, as it is."""
    try:
        value = clean_json(json.loads(text))
    except (ValueError, RecursionError):
        return text
    return json.dumps(value, indent=2, ensure_ascii=False)


def count_ahead(job: Job, cap: int) -> int:
    """Return how many queued jobs of the same queue were there first, at most `cap`."""
    if job.enqueued_at is None:
        return 0
    ahead = Job.objects.filter(
        queue=job.queue, state=State.QUEUED, enqueued_at__lt=job.enqueued_at
    )
    return ahead[:cap].count()
