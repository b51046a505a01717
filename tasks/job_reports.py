"""The read side of the list of jobs: bounded queries, frozen answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, models
from django.db.models.functions import Cast, Substr

from tasks.calls import describe_stored
from tasks.models import Attempt, Job, JobQuerySet
from tasks.states import State

#: Characters of a job's arguments that a list reads; they may be 256 KB.
ARGUMENTS_READ = 1_000

#: Rows among which the states are counted where a filter is set.
COUNTED = 10_000

#: Names offered by a filter's select.
NAMES_OFFERED = 200

#: (created_at, id): the place of a row in the order newest first.
Key = tuple[datetime, str]

_COLUMNS = (
    "id",
    "task",
    "queue",
    "state",
    "created_at",
    "due_at",
    "enqueued_at",
    "started_at",
    "ended_at",
    "error",
    "unreadable",
)


@dataclass(frozen=True)
class JobRow:
    """One job as lists show it."""

    id: str
    task: str
    queue: str
    state: str
    created_at: datetime
    due_at: datetime | None
    enqueued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    error: str
    call: str

    def waited(self, now: datetime) -> timedelta | None:
        return waited_for(self, now)

    def ran(self, now: datetime) -> timedelta | None:
        return ran_for(self, now)


def find_jobs(
    *,
    state: State | None = None,
    states: Collection[State] = (),
    task: str = "",
    queue: str = "",
    id_prefix: str = "",
    lost_by: str = "",
) -> JobQuerySet:
    """Return the jobs that fit, in one state or any of several; empty leaves all.

    `lost_by` is the name of a worker that died while it held them.
    """
    jobs = Job.objects.all()
    wanted = (*states, state) if state else states
    if wanted:
        jobs = jobs.in_state(*wanted)
    if task:
        jobs = jobs.filter(task=task)
    if queue:
        jobs = jobs.filter(queue=queue)
    if lost_by:
        lost = Attempt.objects.filter(worker=lost_by, state=State.LOST)
        jobs = jobs.filter(pk__in=lost.order_by().values("job_key"))
    return _with_prefix(jobs, id_prefix) if id_prefix else jobs


def _with_prefix(jobs: JobQuerySet, prefix: str) -> JobQuerySet:
    # LIKE would read the whole table; ids are kept in the order of their bytes, which
    # makes a range of a prefix.
    return jobs.filter(id__gte=prefix, id__lt=prefix + "\U0010ffff")


def read_rows(
    jobs: JobQuerySet,
    *,
    before: Key | None = None,
    after: Key | None = None,
    limit: int,
) -> list[JobRow]:
    """Return up to `limit` rows, newest first: those after a row, or before one."""
    if after is not None:
        at, job_id = after
        newer = jobs.filter(created_at__gte=at).exclude(created_at=at, id__lte=job_id)
        nearest = _light(newer.order_by("created_at", "id"))[:limit]
        return [_row(job) for job in nearest][::-1]
    if before is not None:
        at, job_id = before
        jobs = jobs.filter(created_at__lte=at).exclude(created_at=at, id__gte=job_id)
    return [_row(job) for job in _light(jobs.order_by("-created_at", "-id"))[:limit]]


def _light(jobs: JobQuerySet) -> models.QuerySet[Job, dict[str, Any]]:
    rows: models.QuerySet[Job, dict[str, Any]] = jobs.values(
        *_COLUMNS,
        args_text=Substr(Cast("args", models.TextField()), 1, ARGUMENTS_READ),
        kwargs_text=Substr(Cast("kwargs", models.TextField()), 1, ARGUMENTS_READ),
    )
    return rows


def _row(fields: Mapping[str, Any]) -> JobRow:
    own = {name: fields[name] for name in _COLUMNS if name != "unreadable"}
    call = describe_stored(
        fields["args_text"], fields["kwargs_text"], ARGUMENTS_READ, fields["unreadable"]
    )
    return JobRow(**own, call=call)


@dataclass(frozen=True)
class StateCounts:
    """How many jobs stand in each state; counting stopped at `cap`.

    `partial` means that not all the jobs that fit were looked at.
    """

    numbers: Mapping[State, int]
    cap: int
    partial: bool = False


def count_states(jobs: JobQuerySet, *, cap: int, filtered: bool) -> StateCounts:
    """Count jobs by state, reading a bounded number of rows in one query.

    Without a filter each state has an index of its own and is counted up to `cap`; with
    one, as many rows that fit are looked at as `COUNTED` says.
    """
    if not filtered:
        return StateCounts(_count_each_state(cap), cap)
    # Without an order the reading stops as soon as enough rows were seen.
    states = jobs.order_by().values_list("state", flat=True)
    found = Counter(states[: COUNTED + 1])
    numbers = {State(state): number for state, number in found.items()}
    return StateCounts(numbers, cap, partial=found.total() > COUNTED)


def _count_each_state(cap: int) -> dict[State, int]:
    table = connection.ops.quote_name(Job._meta.db_table)
    one = (
        f"(SELECT COUNT(*) FROM (SELECT 1 FROM {table} WHERE state = %s LIMIT %s) AS s)"  # noqa: S608 - the table is ours
    )
    parameters = [part for state in State for part in (state.value, cap + 1)]
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join([one] * len(State)), parameters)
        numbers = cursor.fetchone()
    return dict(zip(State, numbers, strict=True))


def list_names(column: str) -> list[str]:
    """Return the distinct values of `task` or `queue`, by hops along the index."""
    quote = connection.ops.quote_name
    table, name = quote(Job._meta.db_table), quote(column)
    query = f"""
        WITH RECURSIVE names(n) AS (
            SELECT MIN({name}) FROM {table}
            UNION ALL
            SELECT (SELECT MIN({name}) FROM {table} WHERE {name} > names.n)
            FROM names WHERE names.n IS NOT NULL
        )
        SELECT n FROM names WHERE n IS NOT NULL LIMIT %s"""  # noqa: S608 - no value is in it
    with connection.cursor() as cursor:
        cursor.execute(query, [NAMES_OFFERED])
        return [str(row[0]) for row in cursor.fetchall()]


def waited_for(job: Job | JobRow, now: datetime) -> timedelta | None:
    """Return how long a job stood in its queue before it started, or stands there."""
    start = job.enqueued_at
    if start is None or job.state in (State.SCHEDULED, State.DEFERRED):
        return None
    if job.state == State.QUEUED:
        return _between(start, now)
    return _between(start, job.started_at)


def ran_for(job: Job | JobRow, now: datetime) -> timedelta | None:
    """Return how long a job's last attempt ran, or runs."""
    if job.state == State.STARTED:
        return _between(job.started_at, now)
    return _between(job.started_at, job.ended_at)


def _between(start: datetime | None, end: datetime | None) -> timedelta | None:
    return end - start if start and end and end >= start else None
