from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.faults import tables
from benchmarks.faults.catalog import Scenario, scenarios
from benchmarks.faults.runner import BROKEN, LATE, WITHIN, Finding, Options, keep
from benchmarks.report import Target

FACTS = {
    **dict.fromkeys(("machine", "software", "taskyard", "load average before"), "-"),
    **dict.fromkeys(("accepted", "runs", "processes killed", "took, s"), 1),
}


def act(_trial: Any) -> None:
    """Do nothing: these tests look at what is made of findings."""


SCENARIO = Scenario("R01", "a kill", act)


def finding(
    seed: int, seconds: float, *, broken: int = 0, short: bool = False
) -> Finding:
    targets = [Target("restart", "≤", 17, seconds, "s")]
    invariants = {"I1": {"broken": broken, "examples": []}}
    return Finding(SCENARIO, Options(seed, short), targets, invariants, dict(FACTS))


def test_a_run_is_broken_late_or_within_its_target() -> None:
    assert finding(1, 3, broken=1).score == BROKEN
    assert finding(1, 17.1).score == LATE
    assert finding(1, 17).score == WITHIN


def test_the_worst_seed_is_shown_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    for one in (finding(1, 15.5), finding(2, 18.5), finding(3, 99, short=True)):
        keep(tmp_path / "R01.json", one)
    text = tables.scorecard({SCENARIO: tables.read(SCENARIO)})
    command = "`python -m benchmarks.faults run R01 --seed 2`"
    assert f"| restart | ≤ 17 s | 18.5 s **missed** | {command} |" in text
    assert "15.5" not in text
    assert "99" not in text


def test_a_run_takes_the_place_of_the_same_command_s(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "R01.json"
    for seconds in (5, 6):
        keep(file, finding(1, seconds))
    [kept] = json.loads(file.read_text())["runs"]
    assert kept["targets"][0]["reached"] == 6


def test_what_was_not_measured_says_so() -> None:
    assert tables.PENDING in tables.scorecard({SCENARIO: []})


def test_the_document_is_filled_in_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "RESULTS", tmp_path)
    monkeypatch.setattr(tables, "DOCUMENT", tmp_path / "page.md")
    sections = "".join(
        f"<!-- {n}:begin -->\n<!-- {n}:end -->\n" for n in ("scorecard", "runs")
    )
    tables.DOCUMENT.write_text(sections)
    keep(tmp_path / "R01.json", finding(1, 5))
    tables.write([SCENARIO])
    once = tables.DOCUMENT.read_text()
    tables.write([SCENARIO])
    assert tables.DOCUMENT.read_text() == once
    assert "| R1 | a kill | restart |" in once


def test_every_scenario_is_named_as_the_scorecard_has_it() -> None:
    assert all(name == f"R{int(name[1:]):02}" for name in scenarios())
