"""Schedules as lines of a terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from tasks.broker.snapshot import Snapshot, read_snapshot
from tasks.errors import BrokerUnavailable
from tasks.management.terminal import printable, short, table
from tasks.models import Schedule
from tasks.schedules.comparison import Comparison, told_apart
from tasks.schedules.fields import values_of
from tasks.schedules.fire_reports import FireRow
from tasks.schedules.outlook import Upcoming, read_upcoming
from tasks.schedules.reports import (
    ScheduleDetail,
    ScheduleFilter,
    ScheduleRow,
    read_rows,
    read_schedules,
)
from tasks.text import gettext as _

HEADS = ("SCHEDULE", "WHEN", "ZONE", "NEXT", "LAST", "TASK", "")

#: Schedules that are read at once.
PAGE = 200

#: Fires that `show` lists.
FIRES_SHOWN = 10


def snapshot_or_none() -> Snapshot | None:
    """Return what Redis says of workers, None where it cannot be asked."""
    try:
        return read_snapshot()
    except BrokerUnavailable:
        return None


def each_row(wanted: ScheduleFilter, now: datetime) -> Iterator[ScheduleRow]:
    """Yield the schedules by name, read a page at a time."""
    snapshot, after, is_first = snapshot_or_none(), "", True
    while is_first or after:
        page = read_schedules(snapshot, now, wanted, after=after, limit=PAGE)
        yield from page.rows
        after, is_first = page.next_after, False


def as_table(rows: Iterable[ScheduleRow]) -> list[str]:
    cells = [_cells(row) for row in rows]
    return list(table(HEADS, cells)) if cells else [_("No schedules.")]


def _cells(row: ScheduleRow) -> tuple[str, ...]:
    return (
        row.name,
        row.words,
        row.schedule.zone,
        _next(row),
        row.last.word if row.last else "-",
        f"{row.schedule.task}{row.call}",
        _remark(row),
    )


def _next(row: ScheduleRow) -> str:
    if not row.schedule.enabled:
        return _("disabled")
    if row.next_in is None:
        return "-"
    return _("in %(time)s") % {"time": short(row.next_in)}


def _remark(row: ScheduleRow) -> str:
    """Return what is worth a look: the worst of it."""
    if row.schedule.gone_at is not None:
        return _("gone from the code")
    if row.problem:
        return row.problem
    if row.overdue_since is not None:
        return _("overdue by %(time)s") % {"time": short(row.now - row.overdue_since)}
    if row.is_unserved:
        return _("no worker takes %(queue)s") % {"queue": row.queue}
    return _("changed by people") if row.overridden else ""


def facts(row: ScheduleRow) -> dict[str, Any]:
    """Return a schedule for JSON."""
    schedule = row.schedule
    return {
        "name": row.name,
        **values_of(schedule),
        "words": row.words,
        "next_at": row.next_at,
        "overdue_since": row.overdue_since,
        "last": row.last.word if row.last else None,
        "fired": schedule.fired,
        "declared": schedule.is_declared,
        "overridden": list(row.overridden),
        "gone_at": schedule.gone_at,
        "problem": row.problem,
        "version": schedule.version,
    }


def outline(schedule: Schedule, now: datetime) -> Iterator[str]:
    """Yield what a schedule is after a change, and when it is due next."""
    (row,) = read_rows([schedule], None, now)
    yield _head(row)
    if schedule.enabled:
        yield from next_of(schedule, now, 1)[-1:]
    else:
        yield _("It is disabled.")


def _head(row: ScheduleRow) -> str:
    return f"{printable(row.name)}: {printable(row.words)} ({row.schedule.zone})"


def describe(detail: ScheduleDetail) -> Iterator[str]:
    """Yield the lines of one schedule."""
    row = detail.row
    yield _head(row)
    remark = _remark(row)
    if remark:
        yield f"  ! {printable(remark)}"
    yield f"  {printable(row.schedule.task + row.call)} → {row.queue}"
    yield from _fields(row.schedule)
    yield from _changes(detail.comparison)
    yield from ["", *moments(detail.upcoming)]
    yield from ["", *_fires(detail.fires.rows[:FIRES_SHOWN])]


def _fields(schedule: Schedule) -> Iterator[str]:
    default = Schedule(task=schedule.task)
    plain = values_of(default)
    shown = ("task", "args", "kwargs", "kind", "expression", "every", "at", "zone")
    for field, value in values_of(schedule).items():
        if field not in shown and value != plain[field]:
            yield f"  {field}: {printable(str(value))}"


def _changes(comparison: Iterable[Comparison]) -> Iterator[str]:
    apart = _("  %(field)s: the code has %(declared)s; changed by %(who)s")
    alike = _("  %(field)s: as the code has it now; set by %(who)s")
    for one in told_apart(list(comparison)):
        text = apart if one.differs else alike
        words = {"field": one.field, "declared": one.declared, "who": one.by}
        yield printable(text % words)


def moments(upcoming: Iterable[Upcoming]) -> list[str]:
    """Return what comes next, each with what the calendar and the clocks do to it."""
    rows = [
        (
            f"{one.local:%Y-%m-%d %H:%M:%S %Z}",
            f"{one.due_at:%Y-%m-%d %H:%M:%SZ}",
            "" if one.is_due else _("not run"),
            one.note,
        )
        for one in upcoming
    ]
    return list(table(("NEXT", "UTC", "", ""), rows)) if rows else [_("Nothing comes.")]


def upcoming_facts(one: Upcoming) -> dict[str, Any]:
    """Return a moment that comes for JSON."""
    return {
        "due_at": one.due_at,
        "local": one.local,
        "runs_at": one.runs_at,
        "verdict": one.verdict,
        "note": one.note,
    }


def next_of(schedule: Schedule, now: datetime, count: int) -> list[str]:
    return moments(read_upcoming(schedule, now, count))


def _fires(rows: Iterable[FireRow]) -> list[str]:
    cells = [
        (
            f"{fire.due_at:%Y-%m-%d %H:%M:%SZ}",
            fire.word,
            f"× {fire.count:,}" if fire.count > 1 else "",
            fire.job_id,
            fire.sentence,
        )
        for fire in rows
    ]
    heads = ("DUE", "BECAME", "", "JOB", "")
    return list(table(heads, cells)) if cells else [_("It has not been due yet.")]
