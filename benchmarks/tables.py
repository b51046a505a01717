"""Writes the tables of docs/performance.md from the results, so that none is typed.

    python -m benchmarks.tables

What stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->` is replaced by what
`python -m benchmarks.NAME --json benchmarks/results/NAME.json` kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results")
DOCUMENT = Path(__file__).parent.parent / "docs" / "performance.md"

_SECTION = re.compile(r"(<!-- (\w+):begin -->\n).*?(<!-- \2:end -->)", re.DOTALL)

PENDING = "*Not measured yet.*\n"


def main() -> None:
    DOCUMENT.write_text(_SECTION.sub(_section, DOCUMENT.read_text()))


def _section(found: re.Match[str]) -> str:
    path = RESULTS / f"{found[2]}.json"
    text = _rendered(json.loads(path.read_text())) if path.exists() else PENDING
    return f"{found[1]}\n{text}\n{found[3]}"


def _rendered(results: dict[str, Any]) -> str:
    facts = results["facts"]
    *tables, asked = results["tables"]
    parts = [f"`{facts['command']}`\n", _machine(facts), _table(asked)]
    return "\n".join([*parts, *map(_table, tables)])


def _machine(facts: dict[str, str]) -> str:
    before, after = (facts[f"load average {when}"] for when in ("before", "after"))
    peers = f" Beside it: {facts['peers']}." if "peers" in facts else ""
    return (
        f"On {facts['machine']}; {facts['software']}; Taskyard {facts['taskyard']};"
        f" load average {before} before, {after} after.{peers}\n"
    )


def _table(table: dict[str, Any]) -> str:
    head, rows = table["head"], table["rows"]
    lines = [_line(head), _line(["---", *["--:"] * (len(head) - 1)])]
    return "\n".join(
        [f"**{_sentence(table['title'])}**\n", *lines, *map(_line, rows), ""]
    )


def _sentence(title: str) -> str:
    return title[:1].upper() + title[1:]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.strip() for cell in cells)} |"


if __name__ == "__main__":
    main()
