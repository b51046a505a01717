from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmarks import due_burst, lateness, marks, report, tables
from benchmarks.concurrency import most_at_once
from benchmarks.growth import Sample, growth_of
from benchmarks.harness import percentile
from benchmarks.processes import tree
from benchmarks.report import Spread, Table, Target


def test_a_percentile_is_one_of_the_values() -> None:
    values = [1.0, 2.0, 3.0, 4.0]
    assert [percentile(values, share) for share in (50, 75, 99)] == [2.0, 3.0, 4.0]


def test_a_spread_shows_no_more_digits_than_say_something() -> None:
    assert str(Spread.of([1.234, 12_345.6, 56.78])) == "56.8 [1.23..12,346]"


def test_a_target_is_met_by_its_figure_or_by_what_was_asked_instead() -> None:
    assert Target("speed", "≥", 10, 10).is_met
    assert not Target("delay", "≤", 10, 10.1).is_met
    assert Target("speed", "≥", 10, 9, excuse="Redis at 90% of its core").is_met


def test_what_ends_as_another_begins_does_not_run_beside_it() -> None:
    assert most_at_once([0, 1, 2], [2, 3, 4]) == 2


def test_growth_is_counted_after_the_first_tenth() -> None:
    samples = [Sample(0, 50), Sample(100, 80), Sample(500, 90), Sample(1_000, 100)]
    assert growth_of(samples) == pytest.approx(25)


def test_marks_are_counted_and_forgotten(tmp_path: Path) -> None:
    found = marks.Marks(str(marks.make(tmp_path / "marks")))
    found.flags[3], found.times[4 * 3 + marks.BEGUN] = 1, 1.5
    assert found.ran(0, 10) == 1
    assert found.column(marks.BEGUN, 2, 5) == [0, 1.5, 0]
    found.clear(0, 10)
    assert found.ran(0, 10) == 0


def test_this_process_is_the_first_of_its_tree() -> None:
    mine = tree(os.getpid())[0]
    assert mine.is_alive
    assert mine.memory() > 0


def test_a_section_of_the_document_is_made_from_what_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    monkeypatch.setattr(tables, "DOCUMENT", tmp_path / "page.md")
    tables.DOCUMENT.write_text("<!-- speed:begin -->\nold\n<!-- speed:end -->\n")
    _keep(tmp_path / "speed.json")
    tables.main()
    tables.main()  # what it wrote it finds again
    text = tables.DOCUMENT.read_text()
    assert "old" not in text
    assert "| us | 7 |" in text
    assert text.count("python -m benchmarks.speed --jobs 1") == 1


def _keep(path: Path) -> None:
    options = report.parser("speed", "").parse_args(["--json", str(path)])
    facts = dict.fromkeys(
        ("machine", "software", "taskyard", "load average before"), ""
    )
    report.finish(options, facts, [Table("jobs/s", ("", "rate"), [["us", "7"]])], [])
    kept = json.loads(path.read_text())
    kept["facts"]["command"] = "python -m benchmarks.speed --jobs 1"
    path.write_text(json.dumps(kept))


def late(part: str, variant: str, early: int, p99: float) -> lateness.Round:
    return lateness.Round(part, variant, early, -early / 10, p99 / 2, p99, 2 * p99)


def test_one_job_that_is_early_misses_what_was_asked() -> None:
    rounds = [late("random", "taskyard", early, 4.0) for early in (0, 0, 1)]
    rounds.append(late("random", "rq", 900, 900.0))
    found = {one.what: one for one in lateness.targets(rounds, [], 10)}
    assert not found["random: early"].is_met
    assert found["random: p99"].is_met
    assert found["random: latest"].reached == 8


def test_a_burst_is_asked_of_taskyard_alone() -> None:
    rounds = [
        due_burst.Round("taskyard", 100, 30_000, 90, 110, 0.1, 1.5),
        due_burst.Round("rq", 10, 900, 2_000, 3_000, -400, 1.5),
    ]
    met = [target.is_met for target in due_burst.targets(rounds)]
    assert met == [True, True, False]
