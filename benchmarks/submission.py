"""How many jobs per second can be submitted, and how long one submission takes.

`submit_many` writes the ledger's rows in one transaction and pushes the jobs to Redis.
`submit` is measured in a tight loop and at a fixed rate, as a web process would call it,
with a recorder at work beside it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import harness, ledgers, report
from benchmarks.harness import Summary
from benchmarks.report import Spread, Table, Target

#: Single submissions before the measured ones.
WARM_UP = 20


@dataclass(frozen=True)
class Found:
    #: Jobs per second of `submit_many`, by round.
    many: list[float]
    #: One `submit`, by round.
    tight: list[Summary]
    paced: list[Summary]


def main() -> int:
    parser = report.parser("submission", __doc__)
    ledgers.add_option(parser)
    parser.add_argument(
        "--jobs", type=report.positive, default=20_000, help="by submit_many (20000)"
    )
    parser.add_argument(
        "--single", type=report.positive, default=500, help="one by one (500)"
    )
    parser.add_argument("--rate", type=float, default=50, help="a second (50)")
    options = parser.parse_args()
    facts, found = ledgers.on_each(measure, options)
    tables = [_many_table(found), _single_table(found, options.rate)]
    return report.finish(options, facts, tables, _targets(found), ledgers=found)


def measure(data: Path, options: argparse.Namespace) -> Found:
    found = Found([], [], [])
    for _round in range(options.rounds):
        found.many.append(measure_many(options.jobs))
        with harness.running(data, "recorder", "manage.py", "recorder"):
            _wait_for_the_recorder()
            found.tight.append(measure_single(options.single, 0))
            _wait_for_the_recorder()
            found.paced.append(measure_single(options.single, options.rate))
        print(f"{found.many[-1]:10,.0f} jobs/s {found.paced[-1]}", flush=True)
    return found


def measure_many(jobs: int) -> float:
    """Return jobs per second of one call."""
    from benchmarks.jobs import mark_async
    from tasks import submit_many

    calls = [mark_async.s(number) for number in range(jobs)]
    begun = time.perf_counter()
    submit_many(calls)
    return jobs / (time.perf_counter() - begun)


def measure_single(jobs: int, rate: float) -> Summary:
    """Return how long one submission takes, `rate` a second (0: as fast as it can)."""
    from benchmarks.jobs import mark_async
    from tasks import submit

    taken = []
    due = time.perf_counter()
    for number in range(WARM_UP + jobs):
        if rate:
            due += 1 / rate
            time.sleep(max(0.0, due - time.perf_counter()))
        begun = time.perf_counter()
        submit(mark_async, [number])
        taken.append(1000 * (time.perf_counter() - begun))
    return Summary.of(taken[WARM_UP:])


def _wait_for_the_recorder() -> None:
    from tasks.broker import keys
    from tasks.broker.client import get_client

    client = get_client()
    harness.wait_until(lambda: not client.xlen(keys.EVENTS), "the record", 120)


def _many_table(found: dict[str, Found]) -> Table:
    rows = [[ledger, str(Spread.of(one.many))] for ledger, one in found.items()]
    return Table("submit_many, median [min..max]", ("ledger", "jobs/s"), rows)


def _single_table(found: dict[str, Found], rate: float) -> Table:
    rows = []
    for ledger, one in found.items():
        for name, rounds in (("tight loop", one.tight), (f"{rate:g}/s", one.paced)):
            p50 = Spread.of([summary.p50 for summary in rounds])
            p99 = Spread.of([summary.p99 for summary in rounds])
            rows.append([f"{ledger}, {name}", str(p50), str(p99)])
    head = ("ledger", "p50, ms", "p99, ms")
    return Table("submit, median [min..max] of the rounds", head, rows)


def _targets(found: dict[str, Found]) -> list[Target]:
    asked = {"SQLite": 12_000, "PostgreSQL": 15_000}
    targets = []
    for ledger, one in found.items():
        many = statistics.median(one.many)
        targets.append(
            Target(f"submit_many, {ledger}", "≥", asked[ledger], many, "jobs/s")
        )
        for name, rounds in (("tight", one.tight), ("paced", one.paced)):
            p99 = _median_p99(rounds)
            targets.append(Target(f"submit, {ledger}, {name}", "≤", 2, p99, "ms p99"))
    return targets


def _median_p99(rounds: Sequence[Summary]) -> float:
    return statistics.median(summary.p99 for summary in rounds)


if __name__ == "__main__":
    sys.exit(main())
