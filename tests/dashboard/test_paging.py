from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from dashboard.paging import CappedCount, Cursor, Position, make_page

START = datetime(2026, 11, 21, 1, 2, 3, 456789, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    id: str
    created_at: datetime


def rows(count: int) -> list[Row]:
    return [Row(f"j{n}", START - timedelta(seconds=n)) for n in range(count)]


def test_a_cursor_survives_being_written() -> None:
    cursor = Cursor(START, "any ~ text/§")
    assert Cursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text", ["", "x", "12", "12~", "~a", "-5~a", "9" * 40 + "~a", "²~a", "1~a\0"]
)
def test_what_is_no_cursor_is_none(text: str) -> None:
    assert Cursor.parse(text) is None


def test_a_page_without_a_neighbour_has_no_cursors() -> None:
    page = make_page(rows(2), Position(), size=2)
    assert (len(page.rows), page.older, page.newer) == (2, None, None)


def test_the_row_too_many_says_that_older_ones_follow() -> None:
    page = make_page(rows(3), Position(), size=2)
    assert [row.id for row in page.rows] == ["j0", "j1"]
    assert page.older == Cursor.of(rows(3)[1])


def test_an_older_page_leads_back_to_newer_ones() -> None:
    page = make_page(rows(2), Position(before=Cursor(START, "z")), size=2)
    assert page.newer == Cursor.of(rows(1)[0])


def test_going_to_newer_ones_the_row_too_many_is_the_first() -> None:
    page = make_page(rows(3), Position(after=Cursor(START, "a")), size=2)
    assert [row.id for row in page.rows] == ["j1", "j2"]
    assert page.newer == Cursor.of(rows(3)[1])
    assert page.older == Cursor.of(rows(3)[2])


def test_an_empty_page_has_no_cursors() -> None:
    page = make_page([], Position(before=Cursor(START, "a")), size=2)
    assert (page.older, page.newer) == (None, None)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (142, "142"), (10_000, "10,000"), (10_001, "10,000+")],
)
def test_a_count_stops_at_its_cap(number: int, text: str) -> None:
    assert str(CappedCount(number)) == text
