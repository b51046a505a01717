"""Faults by seed, and what must hold whatever happens.

    python -m benchmarks.faults list
    python -m benchmarks.faults run R03 --seed 1 [--short] [--database postgres]
                                    [--server redis] [--json FILE]
    python -m benchmarks.faults tables

`tables` writes those of docs/reliability.md. A run ends with 1 where an invariant is
broken or a figure missed.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from benchmarks.faults import catalog, runner, tables
from benchmarks.faults.redis_server import PROGRAMS
from benchmarks.report import Table, asked_and_reached


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_args: sys.exit(128 + signal.SIGTERM))
    options = _parse()
    if options.command == "run":
        return _run(options)
    if options.command == "tables":
        tables.write(catalog.scenarios().values())
    else:
        _list()
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="name the scenarios")
    commands.add_parser("tables", help="write the tables of docs/reliability.md")
    run = commands.add_parser("run", help="run one of them")
    run.add_argument("scenario", type=catalog.find, help="its name, e.g. R03")
    run.add_argument("--seed", type=int, default=1, help="of all that is random (1)")
    run.add_argument("--short", action="store_true", help="the form that CI runs")
    run.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    run.add_argument("--server", choices=[*PROGRAMS], default="valkey")
    run.add_argument("--json", type=Path, help="file that keeps what was found")
    return parser.parse_args()


def _list() -> None:
    rows = [
        (each.name, each.title, f"{each.takes:g} s" if each.takes else "")
        for each in catalog.scenarios().values()
    ]
    Table("Scenarios", ("", "what is done", "takes about"), rows).print()


def _run(asked: argparse.Namespace) -> int:
    options = runner.Options(asked.seed, asked.short, asked.database, asked.server)
    finding = runner.run(asked.scenario, options)
    _print(finding)
    if asked.json:
        runner.keep(asked.json, finding)
    return 0 if finding.score == runner.WITHIN else 1


def _print(finding: runner.Finding) -> None:
    print(f"{finding.scenario.number}: {finding.scenario.title}\n{finding.command}\n")
    for name, value in finding.facts.items():
        print(f"{name}: {value}")
    asked_and_reached(finding.targets).print()
    rows = [
        (name, "holds" if not each["broken"] else f"BROKEN {each['broken']} times")
        for name, each in finding.broken.items()
    ]
    Table("invariants", ("", ""), rows).print()
    for each in finding.broken.values():
        for example in each["examples"]:
            print(f"  {example}")
    print(finding.said)


if __name__ == "__main__":
    sys.exit(main())
