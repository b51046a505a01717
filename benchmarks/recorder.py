"""How many events per second recorders write into the ledger, and how soon after a burst
of jobs they have caught up.

The rate: a worker first runs no-op jobs with no recorder beside it, so that all events
wait; then one or two recorders write them, with nothing else at work.
The lag: a worker runs a burst while two recorders write what it tells; the lag is the age
of the oldest event that waits.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import harness, ledgers, report
from benchmarks.processes import cpu_of, tree
from benchmarks.report import Spread, Table, Target

#: Seconds that workers and recorders may take for everything.
TIMEOUT = 300

#: What the ledger hears of one job: pushed, started, finished.
EVENTS_PER_JOB = 3

#: Shares of the events between which the rate is taken: all recorders are at work.
FROM, TO = 0.1, 0.95

#: The lag, in seconds, at which recorders count as having caught up.
CAUGHT_UP = 2.0


@dataclass(frozen=True)
class Drain:
    recorders: int
    #: Events per second, and microseconds of the recorders' own CPU for each.
    rate: float
    cpu: float


@dataclass(frozen=True)
class Burst:
    #: The largest lag, and how long after the last job it was small again (seconds).
    worst: float
    behind_for: float


@dataclass(frozen=True)
class Found:
    drains: list[Drain]
    bursts: list[Burst]


def main() -> int:
    parser = report.parser("recorder", __doc__)
    ledgers.add_option(parser)
    parser.add_argument(
        "--jobs", type=report.positive, default=20_000, help="jobs of a drain (20000)"
    )
    parser.add_argument(
        "--burst",
        type=report.positive,
        default=100_000,
        help="jobs of a burst (100000)",
    )
    options = parser.parse_args()
    facts, found = ledgers.on_each(measure, options)
    tables = [_drains_table(found), _bursts_table(found, options.burst)]
    return report.finish(options, facts, tables, _targets(found), ledgers=found)


def measure(data: Path, options: argparse.Namespace) -> Found:
    drains = [
        measure_drain(data, options.jobs, recorders)
        for _round in range(options.rounds)
        for recorders in (1, 2)
    ]
    bursts = [measure_burst(data, options.burst) for _round in range(options.rounds)]
    return Found(drains, bursts)


def measure_drain(data: Path, jobs: int, recorders: int) -> Drain:
    """Return how fast recorders write the events of jobs that have all ended."""
    _submit(jobs)
    total = jobs * EVENTS_PER_JOB
    with _worker(data):
        harness.wait_until(lambda: _waiting() >= total, "the jobs' end", TIMEOUT)
    with ExitStack() as stack:
        processes = [stack.enter_context(_recorder(data, n)) for n in range(recorders)]
        first, second = (
            _moment(total * (1 - share), processes) for share in (FROM, TO)
        )
        events = first[1] - second[1]
        rate = events / (second[0] - first[0])
        harness.wait_until(lambda: not _waiting(), "the rest", TIMEOUT)
    print(f"{recorders} recorders {rate:10,.0f} events/s", flush=True)
    return Drain(recorders, rate, 1e6 * (second[2] - first[2]) / events)


def _moment(left: float, processes: Sequence[int]) -> tuple[float, int, float]:
    """Wait until so few events are left; return the time, how many, and the CPU used."""
    deadline = time.monotonic() + TIMEOUT
    while (waiting := _waiting()) > left:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{waiting} events wait still")
        time.sleep(0.005)
    used = sum(cpu_of(tree(process)) for process in processes)
    return time.monotonic(), waiting, used


def measure_burst(data: Path, jobs: int) -> Burst:
    """Return how far recorders fall behind a worker that runs so many jobs at once."""
    with _recorder(data, 0), _recorder(data, 1):
        _submit(jobs)
        harness.wait_until(lambda: not _waiting(), "the pushes' record", TIMEOUT)
        worst, ended = 0.0, 0.0
        with _worker(data):
            while not ended or _lag() > CAUGHT_UP:
                worst = max(worst, _lag())
                if not ended and not _queued():
                    ended = time.monotonic()
                time.sleep(0.05)
            behind_for = time.monotonic() - ended
            harness.wait_until(lambda: not _waiting(), "the rest", TIMEOUT)
    print(f"burst: {worst:.1f} s behind, for {behind_for:.1f} s after it", flush=True)
    return Burst(worst, behind_for)


def _submit(jobs: int) -> None:
    # These need Django, which the workplace has set up.
    from benchmarks.jobs import note_start_async
    from tasks import submit_many

    for start in range(0, jobs, 10_000):
        submit_many([note_start_async.s()] * min(10_000, jobs - start))


def _waiting() -> int:
    from tasks.broker import keys
    from tasks.broker.client import get_client

    return int(get_client().xlen(keys.EVENTS))


def _queued() -> int:
    from benchmarks.jobs import QUEUE
    from tasks.broker import keys
    from tasks.broker.client import get_client

    client = get_client()
    return int(client.llen(keys.queue(QUEUE))) + int(client.zcard(keys.lease(QUEUE)))


def _lag() -> float:
    from tasks.broker.upkeep import recorded_until

    return max(0.0, (datetime.now(UTC) - recorded_until()).total_seconds())


@contextmanager
def _worker(data: Path) -> Iterator[None]:
    from benchmarks.jobs import QUEUE

    with harness.running(data, "worker", "manage.py", "worker", "--queues", QUEUE):
        yield


@contextmanager
def _recorder(data: Path, number: int) -> Iterator[int]:
    name = f"recorder-{number}"
    with harness.running(data, name, "manage.py", "recorder") as process:
        yield process.pid


def _of(found: Found, recorders: int) -> list[Drain]:
    return [drain for drain in found.drains if drain.recorders == recorders]


def _drains_table(found: dict[str, Found]) -> Table:
    rows = [
        [
            f"{ledger}, {recorders}",
            str(Spread.of([drain.rate for drain in _of(one, recorders)])),
            str(Spread.of([drain.cpu for drain in _of(one, recorders)])),
        ]
        for ledger, one in found.items()
        for recorders in (1, 2)
    ]
    head = ("ledger, recorders", "events/s", "own CPU, µs/event")
    return Table("Events recorded per second, median [min..max]", head, rows)


def _bursts_table(found: dict[str, Found], jobs: int) -> Table:
    rows = [
        [
            ledger,
            str(Spread.of([burst.worst for burst in one.bursts])),
            str(Spread.of([burst.behind_for for burst in one.bursts])),
        ]
        for ledger, one in found.items()
    ]
    head = ("ledger", "most behind, s", f"over {CAUGHT_UP:g} s behind for, s")
    return Table(f"Two recorders and a burst of {jobs:,} jobs", head, rows)


def _targets(found: dict[str, Found]) -> list[Target]:
    asked = {"SQLite": 10_000, "PostgreSQL": 20_000}
    targets = []
    for ledger, one in found.items():
        single, double = (
            statistics.median(drain.rate for drain in _of(one, n)) for n in (1, 2)
        )
        behind = statistics.median(burst.behind_for for burst in one.bursts)
        name = f"{ledger}, one recorder"
        targets.append(Target(name, "≥", asked[ledger], single, "events/s"))
        if ledger == "PostgreSQL":
            targets.append(Target(f"{ledger}, two", "≥", 1.7, double / single, "×"))
        targets.append(Target(f"{ledger}, after a burst", "≤", 10, behind, "s"))
    return targets


if __name__ == "__main__":
    sys.exit(main())
