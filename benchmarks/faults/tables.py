"""Writes the tables of docs/reliability.md from the results, so that none is typed.

    python -m benchmarks.faults tables

What stands between `<!-- scorecard:begin -->` and `<!-- scorecard:end -->` (and `runs`)
is made from the files that `python -m benchmarks.faults run … --json` kept. Only long
forms count, and of each figure the worst of all seeds is shown, with its command.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.faults.catalog import Scenario
from benchmarks.report import short

RESULTS = Path(__file__).parent.parent / "results" / "faults"
DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"

_SECTION = re.compile(r"(<!-- (\w+):begin -->\n).*?(<!-- \2:end -->)", re.DOTALL)

PENDING = "not measured yet"

#: A run as JSON has it.
Kept = Mapping[str, Any]


def write(scenarios: Iterable[Scenario]) -> None:
    """Fill the document's sections in."""
    kept = {scenario: read(scenario) for scenario in scenarios}
    sections: dict[str, Callable[[], str]] = {
        "scorecard": lambda: scorecard(kept),
        "runs": lambda: conditions(kept),
    }

    def fill(found: re.Match[str]) -> str:
        return f"{found[1]}\n{sections[found[2]]()}\n{found[3]}"

    DOCUMENT.write_text(_SECTION.sub(fill, DOCUMENT.read_text()))


def read(scenario: Scenario) -> list[Kept]:
    """Return the long runs of a scenario that were kept."""
    path = RESULTS / f"{scenario.name}.json"
    runs = json.loads(path.read_text())["runs"] if path.exists() else []
    return [run for run in runs if not run["short"]]


def scorecard(kept: Mapping[Scenario, Sequence[Kept]]) -> str:
    head = ("", "Fault", "Figure", "Asked", "Reached", "Command")
    rows: list[Sequence[str]] = []
    for scenario, runs in kept.items():
        found = [*_figures(runs)] or [(PENDING, "", "", _command(scenario))]
        for number, cells in enumerate(found):
            first = ("", "") if number else (scenario.number, scenario.title)
            rows.append((*first, *cells))
    return _table(head, rows)


def _command(scenario: Scenario) -> str:
    return f"`python -m benchmarks.faults run {scenario.name} --seed 1`"


def _figures(runs: Sequence[Kept]) -> Iterable[tuple[str, str, str, str]]:
    """Yield what, asked, reached and the command of each figure's worst run."""
    names = dict.fromkeys(t["what"] for run in runs for t in run["targets"])
    for name in names:
        tried = [(t, r) for r in runs for t in r["targets"] if t["what"] == name]
        target, run = max(tried, key=lambda one: _badness(one[0]))
        asked = f"{target['relation']} {_figure(target, 'asked')}"
        reached = _figure(target, "reached") + (
            "" if target["is_met"] else " **missed**"
        )
        yield name, asked, reached, f"`{run['command']}`"
    if runs:
        broken, worst = max(_broken(runs), key=lambda one: one[0])
        yield "I1 to I6 broken", "≤ 0", f"{broken:,}", f"`{worst['command']}`"


def _badness(target: Kept) -> float:
    sign = 1 if target["relation"] == "≤" else -1
    return float(sign * target["reached"])


def _figure(target: Kept, which: str) -> str:
    value = target[which]
    text = f"{value:,}" if value == int(value) else short(value)
    return f"{text} {target['unit']}".strip()


def _broken(runs: Sequence[Kept]) -> Iterable[tuple[int, Kept]]:
    for run in runs:
        yield sum(each["broken"] for each in run["invariants"].values()), run


def conditions(kept: Mapping[Scenario, Sequence[Kept]]) -> str:
    """Return what each figure must be read with."""
    head = ("Command", "Jobs", "Runs", "Killed", "Took", "Load before", "Taskyard")
    rows = [_condition(run) for runs in kept.values() for run in runs]
    machines = dict.fromkeys(
        f"On {run['facts']['machine']}; {run['facts']['software']}."
        for runs in kept.values()
        for run in runs
    )
    return "\n".join([*machines, "", _table(head, rows)]) if rows else f"{PENDING}\n"


def _condition(run: Kept) -> Sequence[str]:
    facts = run["facts"]
    return (
        f"`{run['command']}`",
        f"{facts['accepted']:,}",
        f"{facts['runs']:,}",
        f"{facts['processes killed']:,}",
        f"{facts['took, s']:,.0f} s",
        facts["load average before"],
        facts["taskyard"],
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
