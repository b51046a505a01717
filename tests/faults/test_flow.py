"""What scenarios make of the journal: delays, starts, retries by second."""

from __future__ import annotations

import pytest

from benchmarks.faults.cases.dependency import retries_by_second
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


def test_retries_are_counted_by_second_quiet_ones_too() -> None:
    found = made(
        (1.0, START, 1, "a"),
        (2.1, START, 2, "a"),
        (2.9, START, 2, "b"),
        (4.0, START, 3, "a"),
        (4.5, START, 2, "another task's"),
    )
    assert retries_by_second(found, {"a", "b"}) == [2, 0, 1]
