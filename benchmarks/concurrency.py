"""How 100,000 coroutines sleep at once in two worker processes, beside a bare loop.

First, all jobs are in the queue before the workers start, and each sleeps 10 s. Then, in
another run, they sleep longer, and while all of them do, new jobs come 50 times a second.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import harness, marks, report
from benchmarks.fleet import Fleet, enqueue, forget, wait_for, workers
from benchmarks.harness import Summary, percentile
from benchmarks.peers.catalog import QUEUE, Peer, each, worker_command
from benchmarks.report import Spread, Table, Target
from tasks.broker import keys
from tasks.broker.client import get_client

PROCESSES = 2

#: Seconds that the jobs of the burst sleep, and those that new jobs come beside.
SHORT_NAP, LONG_NAP = 10, 40

#: New jobs beside the sleeping ones, and how many come per second.
PROBES, PROBE_RATE = 500, 50

#: Seconds that the jobs of the burst may take in all.
BURST_TIMEOUT = 180

#: Seconds between two looks at the burst.
LOOK_EVERY = 0.5

#: The program that counts connections is one of Redis' clients itself.
OWN_CONNECTIONS = 1

TASKYARD, BARE = "taskyard", "bare loop"


@dataclass(frozen=True)
class Burst:
    """What became of jobs that were all queued before. Seconds, unless it says else."""

    variant: str
    jobs: int
    in_flight: int
    start_rate: float
    start_delay_p50: float
    start_delay_p99: float
    #: From the first start to the last end.
    took: float
    worst_overrun: float
    lost: int
    run_twice: int
    #: The most that the worker processes had in RAM, without and with their children.
    loops_mib: float
    all_mib: float
    connections_per_process: float
    #: The most that a worker said of its loop's lag; None for the bare loop.
    loop_lag: float | None
    #: How many jobs began in each second after the first start.
    starts: list[int]


@dataclass(frozen=True)
class Probes:
    """How long new jobs waited for their start beside so many sleeping ones, in ms."""

    variant: str
    in_flight: int
    lost: int
    delay: Summary
    loop_lag: float | None


def main() -> int:
    options = _options()
    bursts: list[Burst] = []
    probes: list[Probes] = []
    with harness.workplace() as data:
        facts = harness.print_facts()
        for number in range(1, options.rounds + 1):
            for peer in _variants(options.jobs):
                print(f"round {number}  {peer.name}", flush=True)
                bursts.append(measure_burst(data, peer, options.jobs))
                probes.append(measure_probes(data, peer, options.jobs))
    return report.finish(
        options,
        facts,
        [_burst_table(bursts), _probe_table(probes)],
        _targets(bursts, probes),
        bursts=list(map(asdict, bursts)),
        probes=list(map(asdict, probes)),
    )


def _options() -> argparse.Namespace:
    parser = report.parser("concurrency", __doc__)
    parser.add_argument(
        "--jobs", type=report.positive, default=100_000, help="jobs at once (100000)"
    )
    return parser.parse_args()


def _variants(jobs: int) -> list[Peer]:
    limit = str(jobs * 6 // 10)  # of each process: room for an uneven share
    ours = worker_command("--concurrency", limit, "--children", "2", "--grace", "1")
    bare = ("python", "-m", "benchmarks.peers.with_bare", limit)
    note = "benchmarks.jobs.note_async"
    return [
        Peer(TASKYARD, "with_rq", each(*ours), "benchmarks.jobs.doze", note),
        Peer(BARE, "with_bare", each(*bare)),
    ]


def _fill(peer: Peer, jobs: int, seconds: float) -> None:
    forget(jobs + PROBES)
    # It connects where the workplace says.
    producer = import_module(f"benchmarks.peers.{peer.producer}")
    for start in range(0, jobs, 1_000):
        numbers = range(start, min(start + 1_000, jobs))
        producer.enqueue_many(peer.mark, numbers, seconds)


# The burst.


def measure_burst(data: Path, peer: Peer, jobs: int) -> Burst:
    """Run jobs that wait already, and return how they started and ended."""
    _fill(peer, jobs, SHORT_NAP)
    lags: list[float] = []
    with workers(data, peer, PROCESSES) as fleet:
        _wait_for(lambda: marks.opened().ran(0, jobs) == jobs, fleet, lags)
        everything = sum(process.share() for process in fleet.processes())
        connections = _connections()
        _wait_for(lambda: _have_ended(peer, jobs), fleet, lags)
        loops = sum(process.peak() for process in fleet.loops())
    return _burst(
        peer.name,
        jobs,
        loops_mib=loops / 2**20,
        all_mib=max(loops, everything) / 2**20,
        connections_per_process=connections / PROCESSES,
        loop_lag=max(lags, default=None),
    )


def _wait_for(is_so: Callable[[], bool], fleet: Fleet, lags: list[float]) -> None:
    """Wait, and note what the workers say of their loops meanwhile."""

    def look() -> bool:
        fleet.check()
        time.sleep(LOOK_EVERY)
        lags.extend(_loop_lags())
        return is_so()

    harness.wait_until(look, "the burst", BURST_TIMEOUT)


def _have_ended(peer: Peer, jobs: int) -> bool:
    """Say whether all jobs have ended, and Taskyard's are all settled."""
    return all(marks.opened().column(marks.ENDED, 0, jobs)) and (
        peer.name != TASKYARD or get_client().zcard(keys.finished(QUEUE)) == jobs
    )


def _burst(variant: str, jobs: int, **facts: Any) -> Burst:
    found = marks.opened()
    begun, ended, runs = (
        found.column(which, 0, jobs) for which in (marks.BEGUN, marks.ENDED, marks.RUNS)
    )
    first = min(begun)
    delays = sorted(start - first for start in begun)
    return Burst(
        variant,
        jobs,
        most_at_once(begun, ended),
        jobs / (delays[-1] or 1),
        percentile(delays, 50),
        percentile(delays, 99),
        max(ended) - first,
        max(e - b - SHORT_NAP for b, e in zip(begun, ended, strict=True)),
        lost=runs.count(0),
        run_twice=sum(count > 1 for count in runs),
        starts=_by_second(delays),
        **facts,
    )


def _by_second(delays: Sequence[float]) -> list[int]:
    counts = Counter(int(delay) for delay in delays)
    return [counts[second] for second in range(max(counts) + 1)]


def most_at_once(begun: Sequence[float], ended: Sequence[float]) -> int:
    """Return how many ran at once when it was most."""
    changes = sorted([(at, 1) for at in begun] + [(at, -1) for at in ended])
    now = most = 0
    for _at, change in changes:
        now += change
        most = max(most, now)
    return most


def _connections() -> int:
    clients: Any = get_client().info("clients")
    return int(clients["connected_clients"]) - OWN_CONNECTIONS


def _loop_lags() -> list[float]:
    """Return what each worker says of its loop now."""
    client: Any = get_client()
    said = [client.hget(key, "ty:loop_lag") for key in client.smembers(keys.WORKERS)]
    return [float(lag) for lag in said if lag]


# New jobs beside the sleeping ones.


def measure_probes(data: Path, peer: Peer, jobs: int) -> Probes:
    """Return how soon new jobs start while so many others sleep."""
    _fill(peer, jobs, LONG_NAP)
    numbers = range(jobs, jobs + PROBES)
    found = marks.opened()
    with workers(data, peer, PROCESSES) as fleet:
        wait_for(range(jobs), fleet, LONG_NAP)
        time.sleep(1)
        enqueue(peer, peer.note, numbers, PROBE_RATE)
        wait_for(numbers, fleet, 10)
        in_flight = found.column(marks.ENDED, 0, jobs).count(0)
        lag = max(_loop_lags(), default=None)
    due, begun = (
        found.column(which, numbers.start, numbers.stop)
        for which in (marks.DUE, marks.BEGUN)
    )
    delays = [(b - d) * 1e3 for b, d in zip(begun, due, strict=True) if b]
    return Probes(peer.name, in_flight, begun.count(0), Summary.of(delays), lag)


# What is said.


def _burst_table(bursts: Sequence[Burst]) -> Table:
    rows = [
        [name.replace("_", " "), *(_spread(bursts, v, name) for v in (TASKYARD, BARE))]
        for name in [field.name for field in fields(Burst)][2:-1]
    ]
    title = f"{bursts[0].jobs:,} jobs of {SHORT_NAP} s in {PROCESSES} processes:"
    return Table(f"{title} median [min..max]", ("s unless named", TASKYARD, BARE), rows)


def _spread(bursts: Sequence[Burst], variant: str, name: str) -> str:
    values = [getattr(burst, name) for burst in bursts if burst.variant == variant]
    return "-" if None in values else str(Spread.of(values))


def _probe_table(probes: Sequence[Probes]) -> Table:
    rows = []
    for variant in (TASKYARD, BARE):
        mine = [each for each in probes if each.variant == variant]
        columns = zip(*(asdict(each.delay).values() for each in mine), strict=True)
        fewest = min(each.in_flight for each in mine)
        rows.append([variant, f"{fewest:,}", *(str(Spread.of(c)) for c in columns)])
    title = f"start delay of {PROBE_RATE} new jobs/s beside the sleeping ones, in ms"
    return Table(title, ("", "sleeping", "p50", "p95", "p99", "max"), rows)


def _targets(bursts: Sequence[Burst], probes: Sequence[Probes]) -> list[Target]:
    ours = [burst for burst in bursts if burst.variant == TASKYARD]
    delays = [each.delay.p99 for each in probes if each.variant == TASKYARD]

    def median(name: str) -> float:
        values: list[float] = [getattr(burst, name) for burst in ours]
        return statistics.median(values)

    return [
        Target("in flight at once", "≥", ours[0].jobs, median("in_flight"), "jobs"),
        Target("start rate", "≥", 12_000, median("start_rate"), "jobs/s"),
        Target("start delay, p99", "≤", 8, median("start_delay_p99"), "s"),
        Target("first start to last end", "≤", 20, median("took"), "s"),
        Target("worst overrun of a sleep", "≤", 1, median("worst_overrun"), "s"),
        Target("lost", "≤", 0, sum(burst.lost for burst in ours), "jobs"),
        Target("run twice", "≤", 0, sum(burst.run_twice for burst in ours), "jobs"),
        Target("both processes' memory", "≤", 1024, median("loops_mib"), "MiB"),
        Target("start of a new job, p99", "≤", 5, statistics.median(delays), "ms"),
    ]


if __name__ == "__main__":
    sys.exit(main())
