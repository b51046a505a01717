"""How late a delayed job starts, beside Celery, RQ's own scheduler and rq-scheduler.

Three questions. Random: jobs that were submitted before, due at random moments. Soon: jobs
that are submitted some milliseconds before they are due, which a scheduler must hear of.
Held: the first question again while very many jobs wait for a later moment.

A job is late by the time from its due moment to its function's first line, so that the
worker's part is in it; early is what starts before. Rounds measure every variant once.
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

from benchmarks import harness, marks, report
from benchmarks.harness import percentile
from benchmarks.peers import schedulers
from benchmarks.peers.schedulers import BY_NAME, TASKYARD, TIMED, Variant
from benchmarks.processes import Process, cpu_of, tree
from benchmarks.redis_load import used_memory
from benchmarks.report import Spread, Table, Target, short
from tasks.broker import keys
from tasks.broker.client import get_client

RANDOM, SOON, HELD = PARTS = ("random", "soon", "held")

#: Seconds from a round's start to its first due moment: for all submissions.
LEAD = 6.0

#: The delays of jobs that are due soon, in seconds, and how many come in a second.
SHORT, RATE = (0.005, 0.045), 25

#: Jobs that one submission has wait for later, the seconds until then, and those for
#: which the scheduler is watched.
AT_ONCE, LATER, WATCH = 5_000, 7200, 20

#: Slots from here on are those of jobs that wait for later, and never run.
HELD_FROM = 50_000

#: Seconds for the record of a million submissions.
RECORDED_WITHIN = 900


@dataclass(frozen=True)
class Round:
    """One measured round of one variant."""

    part: str
    variant: str
    #: Jobs that started before they were due.
    early: int
    #: In ms; negative for early.
    earliest: float
    p50: float
    p99: float
    latest: float


@dataclass(frozen=True)
class Holding:
    """What it costs to hold delayed jobs."""

    jobs: int
    #: Bytes in Redis for each.
    bytes: float
    #: Of a core, while nothing comes due, and in RAM.
    scheduler_share: float
    scheduler_bytes: int


def main() -> int:
    options = _options()
    with harness.workplace() as data:
        facts = harness.print_facts()
        rounds = list(_rounds(data, options))
        holdings = []
        if HELD in options.parts:
            found, holding = _measure_held(data, options)
            rounds += found
            holdings.append(holding)
    return report.finish(
        options,
        facts,
        _tables(rounds, holdings),
        targets(rounds, holdings, options.held),
        rounds=list(map(asdict, rounds)),
        holdings=list(map(asdict, holdings)),
    )


def _options() -> argparse.Namespace:
    parser = report.parser("lateness", __doc__)
    parser.add_argument(
        "--jobs", type=report.positive, default=1_000, help="jobs in a round (1000)"
    )
    parser.add_argument("--span", type=float, default=10, help="seconds of it (10)")
    parser.add_argument(
        "--held", type=report.positive, default=1_000_000, help="for later (1000000)"
    )
    parser.add_argument("--parts", type=report.names, default=list(PARTS))
    parser.add_argument("--peers", type=report.names, default="celery,rq,rq-scheduler")
    return parser.parse_args()


def _rounds(data: Path, options: argparse.Namespace) -> Iterator[Round]:
    for number in range(1, options.rounds + 1):
        print(f"round {number}", flush=True)
        for variant in (TASKYARD, *(BY_NAME[name] for name in options.peers)):
            with schedulers.running(data, variant, options.jobs):
                _warm_up(variant, options.jobs)
                if RANDOM in options.parts:
                    yield _measure_random(RANDOM, variant, options, seed=number)
                if SOON in options.parts and variant is TASKYARD:
                    yield _measure_soon(options.jobs // 5, seed=number)


def _warm_up(variant: Variant, number: int) -> None:
    """Have one job run that is not measured."""
    variant.delay(TIMED, [number], time.time() + 2)
    _wait_for(range(number, number + 1), 60)


def _measure_random(
    part: str, variant: Variant, options: argparse.Namespace, seed: int
) -> Round:
    dice, numbers = random.Random(seed), range(options.jobs)
    marks.opened().clear(0, options.jobs)
    first = time.time() + LEAD
    for number in numbers:
        due = first + dice.uniform(0, options.span)
        marks.opened().times[4 * number + marks.DUE] = due
        variant.delay(TIMED, [number], due)
    if time.time() > first:
        raise RuntimeError("the submissions took longer than the first job's delay")
    _wait_for(numbers, LEAD + options.span + 60)
    return _round(part, variant, numbers)


def _measure_soon(jobs: int, seed: int) -> Round:
    dice, numbers = random.Random(seed), range(jobs)
    marks.opened().clear(0, jobs)
    first = time.time()
    for number in numbers:
        time.sleep(max(0.0, first + number / RATE - time.time()))
        due = time.time() + dice.uniform(*SHORT)
        marks.opened().times[4 * number + marks.DUE] = due
        TASKYARD.delay(TIMED, [number], due)
    _wait_for(numbers, 60)
    return _round(SOON, TASKYARD, numbers)


def _wait_for(numbers: range, timeout: float) -> None:
    found = marks.opened()
    harness.wait_until(
        lambda: found.ran(numbers.start, numbers.stop) == len(numbers),
        "the jobs' run",
        timeout,
    )


def _round(part: str, variant: Variant, numbers: range) -> Round:
    found = marks.opened()
    due, begun = (
        found.column(which, numbers.start, numbers.stop)
        for which in (marks.DUE, marks.BEGUN)
    )
    late = sorted((b - d) * 1e3 for b, d in zip(begun, due, strict=True))
    early = sum(one < 0 for one in late)
    p50, p99 = percentile(late, 50), percentile(late, 99)
    made = Round(part, variant.name, early, late[0], p50, p99, late[-1])
    print(made, flush=True)
    return made


def _measure_held(
    data: Path, options: argparse.Namespace
) -> tuple[list[Round], Holding]:
    with schedulers.running(data, TASKYARD, options.jobs) as scheduler:
        _warm_up(TASKYARD, options.jobs)
        _wait_for_the_record()
        empty = used_memory()
        later = time.time() + LATER
        for start in range(0, options.held, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, options.held))
            slots = [HELD_FROM + number for number in numbers]
            TASKYARD.delay(TIMED, slots, later + start / AT_ONCE)
        _wait_for_the_record()
        taken = (used_memory() - empty) / options.held
        processes = tree(scheduler)
        share = _watch(processes)
        memory = sum(process.share() for process in processes)
        holding = Holding(options.held, taken, share, memory)
        rounds = [
            _measure_random(HELD, TASKYARD, options, seed=number)
            for number in range(1, options.rounds + 1)
        ]
    return rounds, holding


def _wait_for_the_record() -> None:
    client = get_client()
    harness.wait_until(
        lambda: not client.xlen(keys.EVENTS), "the record", RECORDED_WITHIN
    )


def _watch(processes: Sequence[Process]) -> float:
    began, used = time.monotonic(), cpu_of(processes)
    time.sleep(WATCH)
    return (cpu_of(processes) - used) / (time.monotonic() - began)


def _tables(rounds: Sequence[Round], holdings: Sequence[Holding]) -> list[Table]:
    found = [
        _table(part, mine)
        for part in PARTS
        if (mine := [one for one in rounds if one.part == part])
    ]
    if holdings:
        rows = [
            [
                f"{one.jobs:,}",
                short(one.bytes),
                short(100 * one.scheduler_share),
                short(one.scheduler_bytes / 2**20),
            ]
            for one in holdings
        ]
        head = (
            "delayed jobs",
            "bytes in Redis of each",
            "scheduler, % of a core",
            "its MB",
        )
        found.append(Table("what holding delayed jobs costs", head, rows))
    return found


def _table(part: str, rounds: Sequence[Round]) -> Table:
    rows = []
    for variant in dict.fromkeys(one.variant for one in rounds):
        mine = [one for one in rounds if one.variant == variant]
        columns = [
            [getattr(one, name) for one in mine]
            for name in ("early", "earliest", "p50", "p99", "latest")
        ]
        rows.append([variant, *(str(Spread.of(column)) for column in columns)])
    title = f"{part}: ms after the due moment, median [min..max] over rounds"
    return Table(title, ("", "started early", "earliest", "p50", "p99", "latest"), rows)


def targets(
    rounds: Sequence[Round], holdings: Sequence[Holding], held: int
) -> list[Target]:
    found = []
    for part in PARTS:
        mine = [
            one for one in rounds if (one.part, one.variant) == (part, TASKYARD.name)
        ]
        if mine:
            early = max(one.early for one in mine)
            p99 = statistics.median(one.p99 for one in mine)
            latest = statistics.median(one.latest for one in mine)
            found += [
                Target(f"{part}: early", "≤", 0, early, "jobs"),
                Target(f"{part}: p99", "≤", 5, p99, "ms"),
                Target(f"{part}: latest", "≤", 25, latest, "ms"),
            ]
    found += [
        Target("delayed jobs held", "≥", held, one.jobs, "jobs") for one in holdings
    ]
    return found


if __name__ == "__main__":
    sys.exit(main())
