"""Writing drafts: Fires, jobs and the places of their schedules, all or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from tasks.broker.wire import Envelope
from tasks.models import Fire, Job, Schedule
from tasks.schedules import pace
from tasks.schedules.drafts import SEEN, Draft
from tasks.schedules.plans import PLANNED
from tasks.submission import hand_in

#: Rows that one statement inserts.
BATCH = 500

#: Milliseconds after which PostgreSQL takes its locks back from a scheduler that was
#: frozen, or whose host is gone, within a transaction.
_FROZEN_AFTER = 3_000

#: That a job of the moment was there already, although no Fire told of it.
EXISTS = "exists"

#: The columns of a schedule that move on with its moments.
PLACES = ("fired", *PLANNED)


def write(drafts: Sequence[Draft], now: datetime) -> int:
    """Write those drafts whose schedules stand as they were read, in one transaction;
    returns how many. The jobs are pushed after it.
    """
    with transaction.atomic():
        mine = _take(drafts)
        if mine:
            jobs = _spread(mine, now)
            new = _not_there(jobs, mine)
            hand_in(new)
            _insert([fire for draft in mine for fire in draft.fires])
            _save_places([draft.schedule for draft in mine])
    return len(mine)


def _take(drafts: Sequence[Draft]) -> list[Draft]:
    """Lock the rows that no other scheduler holds; leave out what has changed since."""
    give_up_when_frozen()
    rows = Schedule.objects.filter(pk__in=[draft.schedule.pk for draft in drafts])
    locked = rows.select_for_update(skip_locked=True, no_key=True).order_by("pk")
    standing = {pk: tuple(seen) for pk, *seen in locked.values_list("pk", *SEEN)}
    return [draft for draft in drafts if standing.get(draft.schedule.pk) == draft.seen]


def give_up_when_frozen() -> None:
    """Have this transaction end, where the process stands still within it."""
    if connection.vendor == "postgresql":
        limit = f"SET LOCAL idle_in_transaction_session_timeout = {_FROZEN_AFTER}"
        with connection.cursor() as cursor:
            cursor.execute(limit)


def _spread(drafts: Iterable[Draft], now: datetime) -> list[Envelope]:
    """Return all jobs; those that catch up start one after the other."""
    jobs = [job for draft in drafts for job in draft.jobs]
    late = set[str]().union(*(draft.late for draft in drafts))
    slots = iter(pace.reserve(len(late), now))
    return [replace(job, due_at=next(slots)) if job.id in late else job for job in jobs]


def _not_there(jobs: Sequence[Envelope], drafts: Iterable[Draft]) -> list[Envelope]:
    """Leave out jobs that exist, whatever became of the Fires that told of them."""
    ids = [job.id for job in jobs]
    known = Job.objects.filter(pk__in=ids).order_by()
    there = set(known.values_list("pk", flat=True))
    if not there:
        return list(jobs)
    for fire in (fire for draft in drafts for fire in draft.fires):
        if fire.job_key in there:
            fire.reason = EXISTS
    return [job for job in jobs if job.id not in there]


def _insert(fires: Sequence[Fire]) -> None:
    for fire in fires:
        fire.pk = None  # an earlier try, which was undone, gave it one
    Fire.objects.bulk_create(fires, batch_size=BATCH)


def _save_places(schedules: Sequence[Schedule]) -> None:
    """Save where the schedules are now: one statement, which the ORM has not for many."""
    columns = [Schedule._meta.get_field(name) for name in (*PLACES, "id")]
    pairs = ", ".join(f"{name} = %s" for name in PLACES)
    table = Schedule._meta.db_table
    values = [
        [_value(schedule, column) for column in columns] for schedule in schedules
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {table} SET {pairs} WHERE id = %s",  # noqa: S608 - names made above
            values,
        )


def _value(schedule: Schedule, column: Any) -> Any:
    return column.get_db_prep_save(getattr(schedule, column.attname), connection)
