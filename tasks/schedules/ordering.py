"""The orders in which schedules are listed, and the pages of each order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from django.db.models import F, Q
from django.db.models.expressions import OrderBy

from tasks.models import Schedule
from tasks.models.schedule import ScheduleQuerySet

#: By name, and by when they run next; those that do not run come last.
NAME, NEXT = "name", "next"
ORDERS = (NAME, NEXT)


@dataclass(frozen=True)
class Page:
    """Schedules in an order, and the marks that lead on and back; "": no such page."""

    rows: Sequence[Schedule]
    next_after: str = ""
    previous_before: str = ""


def read_page(
    found: ScheduleQuerySet, order: str, *, after: str, before: str, limit: int
) -> Page:
    """Return those after a mark, or those before one, in one query or two.

    Where that is no page, or less than a full one before a mark, it is the first.
    """
    found = found.order_by(*_columns(order))
    page = None
    if before:
        page = _read_back(found, order, before, limit)
    elif after:
        page = _read_on(found, order, after, limit)
    return page or _read_first(found, order, limit)


def _read_first(found: ScheduleQuerySet, order: str, limit: int) -> Page:
    read = list(found[: limit + 1])
    shown = read[:limit]
    return Page(shown, _mark(order, shown[-1]) if len(read) > limit else "")


def _read_on(
    found: ScheduleQuerySet, order: str, after: str, limit: int
) -> Page | None:
    page = _read_first(found.filter(_beyond(order, after)), order, limit)
    if not page.rows:
        return None
    return replace(page, previous_before=_mark(order, page.rows[0]))


def _read_back(
    found: ScheduleQuerySet, order: str, before: str, limit: int
) -> Page | None:
    earlier = found.filter(_short_of(order, before))
    read = list(earlier.reverse()[: limit + 1])[::-1]
    if len(read) < limit:
        return None
    shown = read[-limit:]
    previous = _mark(order, shown[0]) if len(read) > limit else ""
    return Page(shown, _mark(order, shown[-1]), previous)


def _columns(order: str) -> list[str | OrderBy]:
    return [F("next_at").asc(nulls_last=True), "name"] if order == NEXT else ["name"]


def _mark(order: str, schedule: Schedule) -> str:
    """Return the place of a schedule in an order, as an address can hold it."""
    if order == NAME:
        return schedule.name
    moment = schedule.next_at.isoformat() if schedule.next_at else ""
    return f"{moment} {schedule.name}"


def _read_mark(mark: str) -> tuple[datetime | None, str]:
    moment, _blank, name = mark.partition(" ")
    if not moment:
        return None, name
    try:
        return datetime.fromisoformat(moment).astimezone(UTC), name
    except (ValueError, OverflowError):
        return None, ""


def _beyond(order: str, mark: str) -> Q:
    if order == NAME:
        return Q(name__gt=mark)
    at, name = _read_mark(mark)
    if at is None:
        return Q(next_at=None, name__gt=name)
    return Q(next_at__gt=at) | Q(next_at=at, name__gt=name) | Q(next_at=None)


def _short_of(order: str, mark: str) -> Q:
    if order == NAME:
        return Q(name__lt=mark)
    at, name = _read_mark(mark)
    if at is None:
        return Q(next_at__isnull=False) | Q(next_at=None, name__lt=name)
    return Q(next_at__lt=at) | Q(next_at=at, name__lt=name)
