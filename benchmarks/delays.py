"""How soon jobs started: what one round found, and what is said of all."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from benchmarks import report
from benchmarks.harness import Summary
from benchmarks.idling import Idling, table_of
from benchmarks.peers.catalog import TASKYARD
from benchmarks.report import Spread, Table, Target

IDLE, LOAD, CROWD, PAUSED = PARTS = ("idle", "load", "crowd", "paused")

#: A schedule that was missed by more than this share of a round was not kept.
TOLERANCE = 0.02


@dataclass(frozen=True)
class Round:
    """One measured round of one variant, in ms."""

    part: str
    variant: str
    delay: Summary
    #: `submit` until its push; Taskyard only, where it submits.
    submission: Summary | None
    #: Jobs per second that really came.
    rate: float
    #: The 0th to the 100th percentile of the delay.
    percentiles: list[float]


def tables(rounds: Sequence[Round], idlings: Sequence[Idling]) -> list[Table]:
    found = [
        _delays(part, mine)
        for part in (IDLE, LOAD, CROWD)
        if (mine := [each for each in rounds if each.part == part])
    ]
    return [*found, table_of(idlings)] if idlings else found


def _delays(part: str, rounds: Sequence[Round]) -> Table:
    rows = []
    for variant in dict.fromkeys(each.variant for each in rounds):
        mine = [each for each in rounds if each.variant == variant]
        rows.append(_row(variant, mine, [each.delay for each in mine]))
        submissions = [each.submission for each in mine if each.submission]
        if submissions:
            rows.append(_row("  submit before it", mine, submissions))
    title = f"{part}: start delay in ms, median [min..max] over rounds"
    return Table(title, ("", "jobs/s", "p50", "p95", "p99", "max"), rows)


def _row(name: str, rounds: Sequence[Round], found: Sequence[Summary]) -> list[str]:
    columns = zip(*(asdict(each).values() for each in found), strict=True)
    rate = statistics.median(each.rate for each in rounds)
    return [name, report.short(rate), *(str(Spread.of(column)) for column in columns)]


def targets(
    rounds: Sequence[Round], idlings: Sequence[Idling], rates: dict[str, float]
) -> list[Target]:
    found = [
        Target(f"{part}: {which}", "≤", limit, _median(mine, which), "ms")
        for part, which, limit in (
            (IDLE, "p50", 0.5),
            (IDLE, "p99", 2),
            (LOAD, "p99", 5),
            (CROWD, "p99", 15),
        )
        if (mine := _ours(rounds, part))
    ]
    found += [
        _pace(part, mine, rate)
        for part, rate in rates.items()
        if (mine := _ours(rounds, part))
    ]
    submissions = [r.submission.p99 for r in _ours(rounds, IDLE) if r.submission]
    if submissions:
        median = statistics.median(submissions)
        found.append(Target("submit: p99", "≤", 2, median, "ms"))
    paused = [idling.share for idling in idlings if idling.is_paused]
    if paused:
        share = 100 * statistics.median(paused)
        found.append(Target("paused: of a core", "≤", 1, share, "%"))
    return found


def _ours(rounds: Sequence[Round], part: str) -> list[Round]:
    return [r for r in rounds if (r.part, r.variant) == (part, TASKYARD.name)]


def _median(rounds: Sequence[Round], which: str) -> float:
    values: list[float] = [getattr(each.delay, which) for each in rounds]
    return statistics.median(values)


def _pace(part: str, rounds: Sequence[Round], rate: float) -> Target:
    """Say whether the rate was kept; if not, the delays say nothing."""
    kept = 100 * min(each.rate for each in rounds) / rate
    return Target(f"{part}: rate kept", "≥", 100 * (1 - TOLERANCE), kept, "%")
