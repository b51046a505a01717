"""Keyset paging: as quick on the last page as on the first, in a table of any size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, Protocol, TypeVar

from django.utils.formats import number_format

#: Rows on a page.
PAGE_SIZE = 50

#: Counting stops here; a count that reached it is written "10,000+".
COUNT_CAP = 10_000

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: Cursors outside of these microseconds are no moment that a row can have.
LAST_MOMENT = int(
    (datetime(9000, 1, 1, tzinfo=UTC) - EPOCH) / timedelta(microseconds=1)
)


class Keyed(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def created_at(self) -> datetime: ...


RowT = TypeVar("RowT", bound=Keyed)


@dataclass(frozen=True)
class Cursor:
    """The place of one row in the order newest first."""

    at: datetime
    id: str

    @classmethod
    def of(cls, row: Keyed) -> Cursor:
        return cls(row.created_at, row.id)

    @classmethod
    def parse(cls, text: str) -> Cursor | None:
        """Return the cursor that `text` writes, or None where it writes none."""
        moment, _sep, row_id = text.partition("~")
        digits = moment.isascii() and moment.isdigit() and len(moment) < 20
        if not (digits and row_id) or int(moment) > LAST_MOMENT or "\0" in row_id:
            return None
        return cls(EPOCH + timedelta(microseconds=int(moment)), row_id)

    def __str__(self) -> str:
        return f"{(self.at - EPOCH) // timedelta(microseconds=1)}~{self.id}"


@dataclass(frozen=True)
class Position:
    """Which page is asked for: before a row, after a row, or the first."""

    before: Cursor | None = None
    after: Cursor | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Position:
        before = Cursor.parse(query.get("before", ""))
        after = None if before else Cursor.parse(query.get("after", ""))
        return cls(before, after)

    @property
    def is_first(self) -> bool:
        return self.before is None and self.after is None


@dataclass(frozen=True)
class Page(Generic[RowT]):
    """One page of rows, newest first, with the cursors of its neighbours."""

    rows: Sequence[RowT]
    older: Cursor | None = None
    newer: Cursor | None = None


def make_page(rows: Sequence[RowT], position: Position, size: int) -> Page[RowT]:
    """Make a page of up to `size` + 1 rows, read newest first.

    The row too many says that there is a further page in the direction of reading: it
    is the last row going to older pages, the first one going to newer ones.
    """
    more = len(rows) > size
    if position.after is not None:
        shown = rows[-size:]
        return Page(shown, _last(shown), _first(shown) if more else None)
    shown = rows[:size]
    newer = _first(shown) if position.before is not None else None
    return Page(shown, _last(shown) if more else None, newer)


def _first(rows: Sequence[Keyed]) -> Cursor | None:
    return Cursor.of(rows[0]) if rows else None


def _last(rows: Sequence[Keyed]) -> Cursor | None:
    return Cursor.of(rows[-1]) if rows else None


@dataclass(frozen=True)
class CappedCount:
    """A count that stopped at a cap."""

    number: int
    cap: int = COUNT_CAP

    def __str__(self) -> str:
        shown = number_format(min(self.number, self.cap), force_grouping=True)
        return f"{shown}+" if self.number > self.cap else shown

    def __bool__(self) -> bool:
        return self.number > 0
