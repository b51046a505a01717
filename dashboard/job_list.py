"""What the list of jobs shows: a page of rows, chips, the choices of its selects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.filters import JobFilter
from dashboard.paging import (
    COUNT_CAP,
    PAGE_SIZE,
    CappedCount,
    Cursor,
    Page,
    Position,
    make_page,
)
from dashboard.states import LOOKS, Look
from tasks.job_reports import (
    JobRow,
    Key,
    StateCounts,
    count_states,
    find_jobs,
    list_names,
    read_rows,
)
from tasks.models import JobQuerySet
from tasks.states import State


@dataclass(frozen=True)
class Chip:
    """One state, as a link that filters by it."""

    state: State
    look: Look
    url: str
    is_current: bool
    #: "" where there are none, or where nobody counted.
    count: str


@dataclass(frozen=True)
class Listing:
    """One page of the list and all that stands around it."""

    page: Page[JobRow]
    chips: Sequence[Chip]
    tasks: Sequence[str]
    queues: Sequence[str]
    is_live: bool
    #: Links to the neighbours, "" where there is none.
    older_url: str
    newer_url: str


def read_list(job_filter: JobFilter, position: Position) -> Listing:
    """Read one page, in a number of queries that no table size changes."""
    page, position = _read_page(_jobs(job_filter), position)
    return Listing(
        page=page,
        chips=_read_chips(job_filter),
        tasks=_names("task", job_filter.task),
        queues=_names("queue", job_filter.queue),
        is_live=position.is_first,
        older_url=_link(job_filter, "before", page.older),
        newer_url=_link(job_filter, "after", page.newer),
    )


def _jobs(job_filter: JobFilter) -> JobQuerySet:
    return find_jobs(
        states=job_filter.states,
        task=job_filter.task,
        queue=job_filter.queue,
        id_prefix=job_filter.id_prefix,
        lost_by=job_filter.lost_by,
    )


def _read_page(jobs: JobQuerySet, position: Position) -> tuple[Page[JobRow], Position]:
    before, after = _key(position.before), _key(position.after)
    rows = read_rows(jobs, before=before, after=after, limit=PAGE_SIZE + 1)
    if after is not None and len(rows) <= PAGE_SIZE:
        # Nothing newer is left: that is the first page, which is full and live.
        return _read_page(jobs, Position())
    return make_page(rows, position, PAGE_SIZE), position


def _key(cursor: Cursor | None) -> Key | None:
    return (cursor.at, cursor.id) if cursor else None


def _link(job_filter: JobFilter, direction: str, cursor: Cursor | None) -> str:
    return job_filter.query_string(**{direction: str(cursor)}) if cursor else ""


def _names(column: str, chosen: str) -> list[str]:
    """Return a select's choices, with the chosen one also where no job has it."""
    names = list_names(column)
    return names if not chosen or chosen in names else [chosen, *names]


def _read_chips(job_filter: JobFilter) -> list[Chip]:
    others = job_filter.without_state
    counts = count_states(_jobs(others), cap=COUNT_CAP, filtered=bool(others))
    return [
        Chip(
            state=state,
            look=look,
            url=job_filter.with_state(None if job_filter.states == (state,) else state),
            is_current=state in job_filter.states,
            count=_count(counts, state),
        )
        for state, look in LOOKS.items()
    ]


def _count(counts: StateCounts, state: State) -> str:
    count = CappedCount(counts.numbers.get(state, 0), counts.cap)
    if not count:
        return ""
    text = str(count)
    return f"{text}+" if counts.partial and not text.endswith("+") else text
