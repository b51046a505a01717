"""What 10,000 schedules cost a scheduler, and how soon it fires what is due.

Steady: each schedule is due every ten minutes, all of them spread evenly by their jitter;
the CPU of the scheduler is compared with that of one that has no schedules. Burst: all of
them are due at one moment, and one scheduler or two fire them. Their jobs are no-ops that
nobody runs.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import harness, ledgers, report
from benchmarks.processes import cpu_of, tree
from benchmarks.report import Spread, Table, Target

#: Seconds between two due moments of a schedule, and before and while all are watched.
EVERY, SETTLE, WATCH = 600, 5, 60

#: Seconds between the making of a burst and its moment, and those that it may take.
AHEAD, TIMEOUT = 8, 300


@dataclass(frozen=True)
class Steady:
    schedules: int
    #: Of one core.
    share: float
    fires: int
    #: Ms from the moment to the decision, of 99 % of the fires.
    late: float


@dataclass(frozen=True)
class Burst:
    schedulers: int
    #: Fires per second, from the moment to the last decision.
    rate: float
    #: Ms of CPU of all schedulers for each.
    cpu: float


@dataclass(frozen=True)
class Found:
    steady: list[Steady]
    bursts: list[Burst]


def main() -> int:
    parser = report.parser("schedules", __doc__)
    ledgers.add_option(parser)
    parser.add_argument(
        "--schedules", type=report.positive, default=10_000, help="schedules (10000)"
    )
    options = parser.parse_args()
    facts, found = ledgers.on_each(measure, options)
    tables = [_steady_table(found), _burst_table(found, options.schedules)]
    return report.finish(options, facts, tables, _targets(found), ledgers=found)


def measure(data: Path, options: argparse.Namespace) -> Found:
    steady = [
        measure_steady(data, schedules)
        for _round in range(options.rounds)
        for schedules in (0, options.schedules)
    ]
    bursts = [
        measure_burst(data, options.schedules, schedulers)
        for _round in range(options.rounds)
        for schedulers in (1, 2)
    ]
    return Found(steady, bursts)


def measure_steady(data: Path, schedules: int) -> Steady:
    """Return what a scheduler costs with so many schedules, none of them due at once."""
    _make(schedules, kind="every", every=EVERY, jitter=EVERY)
    with _schedulers(data, 1) as processes:
        time.sleep(SETTLE)
        began, used = time.monotonic(), _cpu(processes)
        since = _now()
        time.sleep(WATCH)
        share = (_cpu(processes) - used) / (time.monotonic() - began)
        late = sorted(_lateness(since))
    found = Steady(
        schedules, share, len(late), harness.percentile(late, 99) if late else 0
    )
    print(found, flush=True)
    return found


def measure_burst(data: Path, schedules: int, schedulers: int) -> Burst:
    """Return how fast schedulers fire what is due at one moment."""
    with _schedulers(data, schedulers) as processes:
        time.sleep(SETTLE)
        _make(schedules, kind="once", at=_now())
        at = _now() + timedelta(seconds=AHEAD)
        _have_due(at)
        used = _cpu(processes)
        harness.wait_until(lambda: _fires() == schedules, "the fires", TIMEOUT)
        took = (_now() - at).total_seconds()
        cpu = 1e3 * (_cpu(processes) - used) / schedules
    found = Burst(schedulers, schedules / took, cpu)
    print(found, flush=True)
    return found


def _make(count: int, **fields: Any) -> None:
    """Replace all schedules."""
    from tasks.models import Fire, Job, Schedule
    from tasks.schedules.moments import jitter_of, rule_of
    from tasks.schedules.plans import plan_after_cursor

    for model in (Fire, Job, Schedule):
        model.objects.all().delete()
    now = _now()
    made = [
        Schedule(
            name=f"s{number}",
            task="benchmarks.jobs.mark",
            kwargs={"number": 0},
            **fields,
        )
        for number in range(count)
    ]
    for schedule in made:
        schedule.cursor = now - jitter_of(schedule)
        plan_after_cursor(schedule, rule_of(schedule))
    Schedule.objects.bulk_create(made, batch_size=500)


def _have_due(at: datetime) -> None:
    from tasks.models import Schedule

    Schedule.objects.update(at=at, next_due_at=at, next_at=at, look_at=at)


@contextmanager
def _schedulers(data: Path, count: int) -> Iterator[list[int]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                harness.running(data, f"scheduler{number}", "manage.py", "scheduler")
            ).pid
            for number in range(count)
        ]


def _cpu(processes: Sequence[int]) -> float:
    return sum(cpu_of(tree(process)) for process in processes)


def _now() -> datetime:
    from tasks.schedules.clock import clock

    return clock.now()


def _fires() -> int:
    from tasks.models import Fire

    return Fire.objects.count()


def _lateness(since: datetime) -> list[float]:
    """Return the ms from each moment, jitter and all, to its decision."""
    from tasks.models import Fire
    from tasks.schedules.moments import jitter_of

    fires = Fire.objects.filter(decided_at__gte=since).select_related("schedule")
    return [
        (fire.decided_at - fire.due_at - jitter_of(fire.schedule)).total_seconds() * 1e3
        for fire in fires
    ]


def _steady_table(found: dict[str, Found]) -> Table:
    rows = []
    for ledger, one in found.items():
        for schedules in dict.fromkeys(each.schedules for each in one.steady):
            mine = [each for each in one.steady if each.schedules == schedules]
            columns = (
                [100 * each.share for each in mine],
                [each.fires / WATCH for each in mine],
                [each.late for each in mine],
            )
            spreads = (str(Spread.of(column)) for column in columns)
            rows.append([ledger, f"{schedules:,}", *spreads])
    head = ("", "schedules", "% of a core", "fires/s", "p99 late, ms")
    return Table("schedules due every ten minutes, median [min..max]", head, rows)


def _burst_table(found: dict[str, Found], schedules: int) -> Table:
    rows = []
    for ledger, one in found.items():
        for schedulers in dict.fromkeys(each.schedulers for each in one.bursts):
            mine = [each for each in one.bursts if each.schedulers == schedulers]
            columns = ([each.rate for each in mine], [each.cpu for each in mine])
            spreads = (str(Spread.of(column)) for column in columns)
            rows.append([ledger, str(schedulers), *spreads])
    head = ("", "schedulers", "fires/s", "CPU per fire, ms")
    title = f"{schedules:,} schedules due at one moment, median [min..max]"
    return Table(title, head, rows)


def _targets(found: dict[str, Found]) -> list[Target]:
    targets = []
    for ledger, one in found.items():
        with_some = [100 * each.share for each in one.steady if each.schedules]
        with_none = [100 * each.share for each in one.steady if not each.schedules]
        cost = statistics.median(with_some) - statistics.median(with_none)
        late = statistics.median(each.late for each in one.steady if each.schedules)
        targets += [
            Target(f"{ledger}: what schedules cost", "≤", 5, cost, "% of a core"),
            Target(f"{ledger}: p99 of lateness", "≤", 2_000, late, "ms"),
        ]
    return targets


if __name__ == "__main__":
    sys.exit(main())
