"""What scenarios make of the journal: delays, starts, a release by second."""

from __future__ import annotations

import pytest

from benchmarks.faults.cases.dependency import by_second, starts_of
from benchmarks.faults.flow import delays, starts
from benchmarks.faults.journal import END, START, Journal, Line


def made(*lines: tuple[float, str, int, str]) -> Journal:
    """Return a journal of (moment by either clock, event, attempt, job)."""
    return Journal("", [Line(at, at, 7, *rest) for at, *rest in lines])  # type: ignore[arg-type]


def test_a_delay_lasts_until_the_first_start() -> None:
    found = made((1.5, START, 1, "a"), (2, END, 1, "a"), (9, START, 2, "a"))
    assert delays(found, {"a": 1.0, "never started": 1.0}) == [pytest.approx(0.5)]


def test_starts_are_counted_for_the_jobs_that_were_asked_about() -> None:
    found = made((1, START, 1, "a"), (2, START, 2, "a"), (3, START, 1, "b"))
    assert starts(found, ["a", "c"]) == {"a": 2, "c": 0}


def test_the_release_begins_with_the_first_start_that_did_not_fail() -> None:
    found = made(
        (1.0, START, 1, "a"),
        (2.5, START, 2, "a"),
        (3.0, START, 1, "b"),
        (3.5, END, 2, "a"),
        (9.0, END, 1, "b"),
        (1.1, START, 1, "another task's"),
        (1.2, END, 1, "another task's"),
    )
    assert starts_of(found, {"a", "b"}) == ([1.0], [2.5, 3.0])


def test_it_is_counted_by_second_from_its_beginning_on_quiet_ones_too() -> None:
    assert by_second([1.9, 2.8, 4.0]) == [2, 0, 1]
