"""What a job costs as the work grows: speed, bytes in Redis, the worker's memory.

Each queue was filled by a stock RQ client. Speed is that of the first jobs of each queue,
as many for every size; a queue that is smaller than that is kept at its size meanwhile
by moving in jobs that were made before. The largest queue is then run to its end.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import harness, marks, report
from benchmarks.fleet import SECONDS_PER_JOB, Fleet, enqueue, forget, workers
from benchmarks.peers.catalog import QUEUE, TASKYARD
from benchmarks.redis_load import SlowCalls, watch_slow_calls
from benchmarks.report import Spread, Table, Target
from benchmarks.weight import Bytes, measure_bytes, table_of
from tasks.broker import keys
from tasks.broker.client import get_client

#: Where jobs wait that keep a small queue at its size.
RESERVE = "benchmark:reserve"

#: Jobs that are not measured.
LEAD_IN = 4_000

#: Seconds between two looks at the worker's memory.
SAMPLE_EVERY = 2.0


@dataclass(frozen=True)
class Window:
    """The speed of the first jobs of one queue."""

    size: int
    jobs: int
    rate: float
    slow: SlowCalls


@dataclass(frozen=True)
class Sample:
    """The worker's memory when so many jobs had been run."""

    jobs: int
    bytes: int


def main() -> int:
    options = _options()
    with harness.workplace() as data:
        facts = harness.print_facts()
        windows = [
            _shown(measure_window(data, size, options.jobs))
            for _number in range(options.rounds)
            for size in options.sizes
        ]
        taken = measure_bytes(data, options.bytes_jobs)
        largest = max(options.sizes)
        print(f"all {largest:,} jobs of the largest queue …", flush=True)
        samples, slow = measure_memory(data, largest)
    return report.finish(
        options,
        facts,
        [_speeds(windows), table_of(taken), _memory(samples)],
        _targets(windows, taken, samples, slow),
        windows=list(map(asdict, windows)),
        bytes=asdict(taken),
        memory=list(map(asdict, samples)),
        slow=asdict(slow),
    )


def _options() -> argparse.Namespace:
    parser = report.parser("growth", __doc__)
    parser.add_argument(
        "--sizes", type=_sizes, default="1000,100000,1000000", help="jobs queued"
    )
    parser.add_argument(
        "--jobs", type=report.positive, default=30_000, help="jobs measured (30000)"
    )
    parser.add_argument(
        "--bytes-jobs", type=report.positive, default=10_000, help="weighed (10000)"
    )
    return parser.parse_args()


def _sizes(text: str) -> list[int]:
    return [report.positive(size) for size in text.split(",")]


# Speed.


def _shown(window: Window) -> Window:
    print(f"{window.size:10,} queued {window.rate:10,.0f} jobs/s", flush=True)
    return window


def measure_window(data: Path, size: int, jobs: int) -> Window:
    """Return how fast the first jobs of a queue of `size` are run."""
    numbers = range(max(size, LEAD_IN + jobs))
    forget(len(numbers))
    enqueue(TASKYARD, TASKYARD.mark, numbers)
    _keep_back(len(numbers) - size)
    watch_slow_calls()
    with workers(data, TASKYARD, 1) as fleet:
        begun = _ran(fleet, LEAD_IN, numbers, size)
        ended = _ran(fleet, LEAD_IN + jobs, numbers, size)
    done = ended[1] - begun[1]
    return Window(size, jobs, done / (ended[0] - begun[0]), SlowCalls.seen())


def _keep_back(count: int) -> None:
    """Move the last jobs of the queue to the reserve."""
    client = get_client()
    while count > 0:
        moved: Any = client.rpop(keys.queue(QUEUE), min(count, 5_000))
        client.rpush(RESERVE, *moved)
        count -= len(moved)


def _ran(fleet: Fleet, jobs: int, numbers: range, size: int) -> tuple[float, int]:
    """Wait until so many were run, the queue kept at its size; say when and how many."""
    found = marks.opened()
    deadline = time.monotonic() + 60 + jobs * SECONDS_PER_JOB
    while (done := found.ran(0, len(numbers))) < jobs:
        fleet.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"{done} of {jobs} jobs were run")
        _top_up(size)
        time.sleep(0.005)
    return time.monotonic(), done


def _top_up(size: int) -> None:
    client = get_client()
    missing = size - client.llen(keys.queue(QUEUE))
    moved: Any = client.lpop(RESERVE, missing) if missing > 0 else None
    if moved:
        client.rpush(keys.queue(QUEUE), *moved)


# The worker's memory.


def measure_memory(data: Path, jobs: int) -> tuple[list[Sample], SlowCalls]:
    """Run a whole queue and return the worker's memory meanwhile."""
    forget(jobs)
    enqueue(TASKYARD, TASKYARD.mark, range(jobs))
    watch_slow_calls()
    samples, found = [Sample(0, 0)], marks.opened()
    with workers(data, TASKYARD, 1) as fleet:
        while samples[-1].jobs < jobs:
            fleet.check()
            time.sleep(SAMPLE_EVERY)
            loop = fleet.loops()[0]
            samples.append(Sample(found.ran(0, jobs), loop.own_memory()))
    return samples[1:], SlowCalls.seen()


def growth_of(samples: Sequence[Sample]) -> float:
    """Return by how many % the memory grew after the first tenth of the jobs."""
    early = next(s for s in samples if s.jobs * 10 >= samples[-1].jobs)
    return 100 * (samples[-1].bytes / early.bytes - 1)


# What is said.


def _speeds(windows: Sequence[Window]) -> Table:
    rows = [
        [
            f"{size:,}",
            str(Spread.of(_rates(windows, size))),
            report.short(_worst(windows, size)),
        ]
        for size in dict.fromkeys(window.size for window in windows)
    ]
    title = f"jobs/s of the first {windows[0].jobs:,} jobs: median [min..max]"
    return Table(title, ("queued", "jobs/s", "slowest call, ms"), rows)


def _memory(samples: Sequence[Sample]) -> Table:
    """Return about ten of the samples."""
    some = dict.fromkeys((*samples[:: max(1, len(samples) // 10)], samples[-1]))
    rows = [[f"{s.jobs:,}", f"{s.bytes / 2**20:.0f}"] for s in some]
    return Table("memory of one worker process", ("jobs run", "MiB"), rows)


def _rates(windows: Sequence[Window], size: int) -> list[float]:
    return [window.rate for window in windows if window.size == size]


def _worst(windows: Sequence[Window], size: int) -> float:
    return max(window.slow.worst_ms for window in windows if window.size == size)


def _targets(
    windows: Sequence[Window],
    taken: Bytes,
    samples: Sequence[Sample],
    slow: SlowCalls,
) -> list[Target]:
    sizes = dict.fromkeys(window.size for window in windows)
    rates = [statistics.median(_rates(windows, size)) for size in sizes]
    apart = 100 * (max(rates) / min(rates) - 1)
    worst = max(slow.worst_ms, *(_worst(windows, size) for size in sizes))
    return [
        Target("jobs/s of all sizes apart", "≤", 10, apart, "%"),
        Target("queued by submit", "≤", 600, taken.queued_by_submit, "bytes"),
        Target("finished, of submit", "≤", 1_500, taken.finished_of_submit, "bytes"),
        Target("longest call of Redis", "≤", 10, worst, "ms"),
        Target("the worker's memory grew", "≤", 5, growth_of(samples), "%"),
    ]


if __name__ == "__main__":
    sys.exit(main())
