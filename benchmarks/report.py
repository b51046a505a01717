"""What every benchmark says in the end: medians, what was asked and what was reached."""

from __future__ import annotations

import argparse
import json
import operator
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import load_average

_HOLDS = {"≥": operator.ge, "≤": operator.le}


@dataclass(frozen=True)
class Spread:
    """One figure over all rounds."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{short(self.median)} [{short(self.min)}..{short(self.max)}]"


def short(value: float) -> str:
    """Return a figure with as many digits as it deserves."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


@dataclass(frozen=True)
class Target:
    """What was asked of one figure, and what it reached."""

    what: str
    relation: str
    asked: float
    reached: float
    unit: str = ""
    #: What was asked instead and reached, if it was.
    excuse: str = ""

    @property
    def is_met(self) -> bool:
        return bool(self.excuse or _HOLDS[self.relation](self.reached, self.asked))


def parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """Return a parser of the options that all benchmarks have."""
    command = f"python -m benchmarks.{name}"
    made = argparse.ArgumentParser(
        prog=command,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.set_defaults(command=command)
    made.add_argument("--rounds", type=positive, default=5, help="rounds of each (5)")
    made.add_argument("--json", type=Path, help="file for every round's figures")
    return made


def positive(text: str) -> int:
    value = int(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("must be positive")
    return value


def names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


@dataclass(frozen=True)
class Table:
    """Figures as a reader sees them, on the screen and in the documentation."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def print(self) -> None:
        """Print columns, the first to the left and the others to the right."""
        widths = [
            max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)
        ]
        print(f"\n{self.title}\n")
        for first, *others in (self.head, *self.rows):
            cells = zip(others, widths[1:], strict=True)
            line = [
                first.ljust(widths[0]),
                *(cell.rjust(width) for cell, width in cells),
            ]
            print("  ".join(line))


def finish(
    options: argparse.Namespace,
    facts: dict[str, str],
    tables: Sequence[Table],
    targets: Sequence[Target],
    **results: Any,
) -> int:
    """Print the tables, what was asked and what was reached; keep all in a file.

    Returns the exit code: 1 if a target was missed.
    """
    facts["load average after"] = load_average()
    facts["command"] = " ".join([options.command, *sys.argv[1:]])
    everything = [*tables, asked_and_reached(targets)]
    for table in everything:
        table.print()
    print(f"\nload average after: {facts['load average after']}")
    if options.json:
        shown = list(map(asdict, everything))
        _keep(options.json, {"facts": facts, "tables": shown, **results})
    return 0 if all(target.is_met for target in targets) else 1


def asked_and_reached(targets: Sequence[Target]) -> Table:
    rows = [
        [
            t.what,
            f"{t.relation} {short(t.asked)}",
            short(t.reached),
            t.unit,
            _verdict(t),
        ]
        for t in targets
    ]
    return Table("asked and reached", ("", "asked", "reached", "", ""), rows)


def _keep(path: Path, results: dict[str, Any]) -> None:
    """Write JSON with one line for each key, and no more digits than say something."""
    lines = [
        f"{json.dumps(key)}: {json.dumps(rounded(value), default=asdict)}"
        for key, value in results.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(part) for part in value]
    return value


def _verdict(target: Target) -> str:
    return target.excuse or ("yes" if target.is_met else "NO")
