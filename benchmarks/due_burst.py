"""How fast very many jobs move that are due at one moment, and what others feel of it.

One queue has a burst that is due at one moment, and nobody who runs it. A second one has
a few jobs that are due at the same moment, and more that come due while the burst moves;
its worker notes when they start. Beside Taskyard's stand RQ's own scheduler and
rq-scheduler, with smaller bursts, each of which is measured once in a round.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import harness, marks, report
from benchmarks.peers import schedulers
from benchmarks.peers.schedulers import BURST, MOVERS, TASKYARD, TIMED, Variant
from benchmarks.redis_load import SlowCalls, watch_slow_calls
from benchmarks.report import Spread, Table, Target
from tasks.broker import keys
from tasks.broker.client import get_client

#: Jobs of the second queue: due with the burst, and during so many seconds after it.
WITH_IT, AFTER_IT, SPAN = 100, 400, 4.0

#: Slots from here on are those of the burst.
BURST_FROM = 10_000

#: Jobs of one submission; seconds before a burst is due, beside those for its jobs.
AT_ONCE, LEAD = 5_000, 10

#: Seconds between looks at how many have moved.
LOOK_EVERY = 0.002

TIMEOUT = 300


@dataclass(frozen=True)
class Round:
    """One measured round of one variant."""

    variant: str
    jobs: int
    #: Jobs of the burst that were moved per second, from its moment to the last one.
    rate: float
    #: Ms by which the second queue's jobs were late: those due with the burst, and after.
    with_it: float
    after_it: float
    earliest: float
    #: Ms for which one call held Redis.
    slowest: float


def main() -> int:
    parser = report.parser("due_burst", __doc__)
    parser.add_argument(
        "--jobs", type=report.positive, help="of Taskyard's burst (100000)"
    )
    parser.add_argument("--peers", type=report.names, default="rq,rq-scheduler")
    options = parser.parse_args()
    with harness.workplace() as data:
        facts = harness.print_facts()
        rounds = list(_rounds(data, options))
    return report.finish(
        options,
        facts,
        [_table(rounds)],
        targets(rounds),
        rounds=list(map(asdict, rounds)),
    )


def _rounds(data: Path, options: argparse.Namespace) -> Iterator[Round]:
    for number in range(1, options.rounds + 1):
        print(f"round {number}", flush=True)
        for variant in (TASKYARD, *(MOVERS[name] for name in options.peers)):
            jobs = variant.jobs
            if options.jobs and variant is TASKYARD:
                jobs = options.jobs
            yield _measure(data, variant, jobs, seed=number)


def _measure(data: Path, variant: Variant, jobs: int, seed: int) -> Round:
    last = BURST_FROM + jobs
    with schedulers.running(data, variant, last):
        lead = LEAD + jobs / 1_000 * variant.seconds_per_thousand
        moment = float(int(time.time() + lead))
        for start in range(BURST_FROM, last, AT_ONCE):
            variant.delay(BURST, range(start, min(start + AT_ONCE, last)), moment)
        _delay_others(variant, moment, seed)
        harness.wait_until(_is_recorded, "the record of the submissions", TIMEOUT)
        if time.time() > moment:
            raise RuntimeError("the submissions took longer than their delay")
        if get_client().llen(keys.queue(BURST)):
            raise RuntimeError("jobs are queued before they are due")
        watch_slow_calls()
        took = _watch(moment, jobs)
        slowest = SlowCalls.seen().worst_ms
        found, count = marks.opened(), WITH_IT + AFTER_IT
        harness.wait_until(lambda: found.ran(0, count) == count, "the others", TIMEOUT)
    late = _lateness(count)
    made = Round(
        variant.name,
        jobs,
        jobs / took,
        max(late[:WITH_IT]),
        max(late[WITH_IT:]),
        min(late),
        slowest,
    )
    print(made, flush=True)
    return made


def _delay_others(variant: Variant, moment: float, seed: int) -> None:
    dice, times = random.Random(seed), marks.opened().times
    for number in range(WITH_IT + AFTER_IT):
        due = moment + (dice.uniform(0, SPAN) if number >= WITH_IT else 0)
        times[4 * number + marks.DUE] = due
        variant.delay(TIMED, [number], due)


def _is_recorded() -> bool:
    return not get_client().xlen(keys.EVENTS)


def _watch(moment: float, jobs: int) -> float:
    """Return the seconds from the burst's moment until all of it is in the queue."""
    client: Any = get_client()
    key, deadline = keys.queue(BURST), moment + TIMEOUT
    time.sleep(max(0.0, moment - time.time()))
    while client.llen(key) < jobs:
        if time.time() > deadline:
            raise TimeoutError(f"{client.llen(key)} of {jobs} jobs were moved")
        time.sleep(LOOK_EVERY)
    return time.time() - moment


def _lateness(count: int) -> list[float]:
    found = marks.opened()
    due, begun = (found.column(which, 0, count) for which in (marks.DUE, marks.BEGUN))
    return [(b - d) * 1e3 for b, d in zip(begun, due, strict=True)]


def _table(rounds: Sequence[Round]) -> Table:
    rows = []
    for variant in dict.fromkeys(one.variant for one in rounds):
        mine = [one for one in rounds if one.variant == variant]
        columns = [
            [getattr(one, name) for one in mine]
            for name in ("rate", "with_it", "after_it", "earliest", "slowest")
        ]
        spreads = (str(Spread.of(column)) for column in columns)
        rows.append([variant, f"{mine[0].jobs:,}", *spreads])
    head = (
        "",
        "jobs due at once",
        "moved/s",
        "second queue: latest due with them, ms",
        "latest due after them, ms",
        "earliest, ms",
        "slowest call of Redis, ms",
    )
    return Table("a burst, median [min..max] over rounds", head, rows)


def targets(rounds: Sequence[Round]) -> list[Target]:
    mine = [one for one in rounds if one.variant == TASKYARD.name]
    rate, with_it, after_it = (
        statistics.median(getattr(one, name) for one in mine)
        for name in ("rate", "with_it", "after_it")
    )
    return [
        Target("moved", "≥", 20_000, rate, "jobs/s"),
        Target("second queue, due with them", "≤", 100, with_it, "ms late"),
        Target("second queue, due after them", "≤", 100, after_it, "ms late"),
    ]


if __name__ == "__main__":
    sys.exit(main())
