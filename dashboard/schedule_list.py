"""What the list of schedules shows: a page of rows, and the chips that filter it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from tasks.broker.snapshot import Snapshot
from tasks.schedules.ordering import NAME, NEXT, ORDERS
from tasks.schedules.reports import (
    ALL,
    KINDS,
    ScheduleFilter,
    ScheduleRow,
    read_schedules,
)

#: Rows on a page: each has a strip of bars, and a page should stay light.
PAGE_SIZE = 25

#: Longer values match nothing.
TEXT_LIMIT = 255

#: A mark of a page holds a name and a moment.
MARK_LIMIT = 300


@dataclass(frozen=True)
class Chip:
    """One choice of schedules, as a link that filters by it."""

    kind: str
    label: str
    url: str
    is_current: bool


@dataclass(frozen=True)
class Listing:
    """One page of the list and all that stands around it."""

    rows: Sequence[ScheduleRow]
    filter: ScheduleFilter
    chips: Sequence[Chip]
    order: str
    #: Links to this list in each order, by the name of the order.
    orders: Mapping[str, str]
    #: Links to the first page, and to the ones beside this, "" where there is none.
    first_url: str
    previous_url: str
    next_url: str

    @property
    def is_first(self) -> bool:
        return not self.previous_url

    @property
    def is_filtered(self) -> bool:
        return self.filter != ALL


def read_list(
    query: Mapping[str, str], snapshot: Snapshot | None, now: datetime
) -> Listing:
    wanted, order = _parse(query), _order(query)
    page = read_schedules(
        snapshot,
        now,
        wanted,
        order=order,
        after=_mark(query, "after"),
        before=_mark(query, "before"),
        limit=PAGE_SIZE,
    )
    previous, following = page.previous_before, page.next_after
    return Listing(
        rows=page.rows,
        filter=wanted,
        chips=_chips(wanted, order),
        order=order,
        orders={one: _address(wanted, one) for one in ORDERS},
        first_url=_address(wanted, order),
        previous_url=_address(wanted, order, before=previous) if previous else "",
        next_url=_address(wanted, order, after=following) if following else "",
    )


def _order(query: Mapping[str, str]) -> str:
    return NEXT if query.get("sort") == NEXT else NAME


def _mark(query: Mapping[str, str], name: str) -> str:
    # A blank at its begin is a part of it.
    return query.get(name, "").replace("\0", "")[:MARK_LIMIT]


def _parse(query: Mapping[str, str]) -> ScheduleFilter:
    kind = query.get("kind", "")
    return ScheduleFilter(
        text=_text(query, "q"),
        task=_text(query, "task"),
        queue=_text(query, "queue"),
        calendar=_text(query, "calendar"),
        kind=kind if kind in KINDS else "",
    )


def _text(query: Mapping[str, str], name: str) -> str:
    # A NUL cannot stand in a PostgreSQL parameter.
    return query.get(name, "").replace("\0", "").strip()[:TEXT_LIMIT]


def _chips(wanted: ScheduleFilter, order: str) -> list[Chip]:
    labels = {
        "enabled": _("Enabled"),
        "disabled": _("Disabled"),
        "declared": _("From code"),
        "overdue": _("Overdue"),
    }
    return [
        Chip(
            kind=kind,
            label=labels[kind],
            url=_address(
                replace(wanted, kind="" if kind == wanted.kind else kind), order
            ),
            is_current=kind == wanted.kind,
        )
        for kind in KINDS
    ]


def _address(
    wanted: ScheduleFilter, order: str, *, after: str = "", before: str = ""
) -> str:
    fields = {
        "q": wanted.text,
        "task": wanted.task,
        "queue": wanted.queue,
        "calendar": wanted.calendar,
        "kind": wanted.kind,
        "sort": "" if order == NAME else order,
        "after": after,
        "before": before,
    }
    return "?" + urlencode({name: text for name, text in fields.items() if text})
