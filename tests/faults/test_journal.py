from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from benchmarks.faults import journal
from benchmarks.faults.journal import BEAT, END, KILLED, SETTLING, START, Journal, Line


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(journal.RUNS, str(tmp_path / "runs"))
    monkeypatch.setenv(journal.ACCEPTED, str(tmp_path / "accepted"))
    return tmp_path / "runs"


def made(*lines: tuple[float, int, str, int, str]) -> Journal:
    """Return a journal of (moment, process, event, attempt, job)."""
    return Journal("", [Line(at, 0.0, *rest) for at, *rest in lines])  # type: ignore[arg-type]


def test_a_line_is_read_as_it_was_written(file: Path) -> None:
    at = journal.write(START, "a", 2)
    [line] = Journal.of_environment().read_on().lines
    assert (line.pid, line.event, line.attempt, line.job) == (
        os.getpid(),
        START,
        2,
        "a",
    )
    assert line.at == pytest.approx(at, abs=1e-5)


def _write_many(number: int) -> None:
    for _line in range(500):
        journal.write(BEAT, f"job-{number}")


def test_no_writer_tears_the_line_of_another(file: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_many, args=(n,)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = Journal.of_environment().read_on()
    assert sorted(len(found.of(f"job-{n}", BEAT)) for n in range(4)) == [500] * 4


def test_only_whole_lines_are_read_and_the_rest_later(file: Path) -> None:
    file.write_text("1.0 2.0 7 start 1 a\n1.5 2.5 7 e")
    found = Journal.of_environment().read_on()
    assert [line.event for line in found.lines] == [START]
    file.write_text("1.0 2.0 7 start 1 a\n1.5 2.5 7 end 1 a\n")
    assert [line.event for line in found.read_on().lines] == [START, END]


def test_what_was_accepted_is_kept(file: Path) -> None:
    journal.accept(["a", "b"])
    journal.accept(["c"])
    assert journal.accepted() == {"a", "b", "c"}


def test_a_run_is_told_by_its_own_lines() -> None:
    found = made((1, 7, START, 1, "a"), (2, 7, BEAT, 1, "a"), (3, 7, END, 1, "a"))
    [run] = found.runs()["a"]
    assert (run.began, run.ended, run.until, run.was_killed) == (1, 3, 3, False)


def test_a_killed_run_lasts_until_the_kill() -> None:
    found = made((1, 7, START, 1, "a"), (2, 7, BEAT, 1, "a"), (4, 7, KILLED, 0, "-"))
    [run] = found.runs()["a"]
    assert (run.ended, run.until, run.was_killed) == (None, 4, True)


def test_a_run_without_an_end_lasts_until_its_last_word() -> None:
    found = made((1, 7, START, 1, "a"), (2, 7, BEAT, 1, "a"), (4, 8, KILLED, 0, "-"))
    [run] = found.runs()["a"]
    assert (run.until, run.was_killed) == (2, False)


def test_a_kill_long_after_its_end_did_not_hit_a_run() -> None:
    lines = (1, 7, START, 1, "a"), (2, 7, END, 1, "a")
    soon, late = 2 + SETTLING / 2, 2 + 2 * SETTLING
    [hit] = made(*lines, (soon, 7, KILLED, 0, "-")).runs()["a"]
    [spared] = made(*lines, (late, 7, KILLED, 0, "-")).runs()["a"]
    assert (hit.was_killed, spared.was_killed) == (True, False)
    assert hit.until == 2


def test_the_same_process_runs_many_jobs() -> None:
    found = made(
        (1, 7, START, 1, "a"),
        (2, 7, START, 1, "b"),
        (3, 7, END, 1, "a"),
        (9, 7, KILLED, 0, "-"),
        (10, 8, START, 2, "b"),
    )
    first, second = found.runs()["b"]
    assert (first.was_killed, second.was_killed) == (True, False)
    assert not found.runs()["a"][0].was_killed


def test_an_attempt_that_is_made_again_in_its_process_is_a_run_of_its_own() -> None:
    first = (1, 7, START, 1, "a"), (2, 7, END, 1, "a")
    again = (3, 7, START, 1, "a"), (4, 7, END, 1, "a")
    runs = made(*first, *again).runs()["a"]
    assert [(run.began, run.ended) for run in runs] == [(1, 2), (3, 4)]
