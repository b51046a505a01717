"""How many no-op jobs per second are run, beside other queues.

The jobs are in the queue before the workers start: Taskyard's were put there by a stock
RQ client. The rate is that of the last 80 % of the jobs, so that no start counts. Each
variant is measured once in every round, and rounds follow each other.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rq.job import Job
from rq.serializers import JSONSerializer

from benchmarks import harness, marks, report
from benchmarks.fleet import Fleet, enqueue, forget, wait_for, workers
from benchmarks.peers.catalog import (
    BY_NAME,
    QUEUE,
    TASKYARD,
    TASKYARD_FUNCTIONS,
    Peer,
)
from benchmarks.peers.environments import versions
from benchmarks.processes import cpu_of
from benchmarks.redis_load import Load, Reading, SlowCalls, watch_slow_calls
from benchmarks.report import Spread, Table, Target
from tasks.broker import keys
from tasks.broker.client import get_client

OURS = (TASKYARD, TASKYARD_FUNCTIONS)

#: Peers that are measured if none are named.
USUAL = "rq,rq-simple,repid,arq,saq,celery,taskiq,huey"

#: The share of the jobs that is not measured, and seconds that all may take.
LEAD_IN, DRAIN_TIMEOUT = 0.2, 180

#: How many times as fast as these one process is to be.
AHEAD = {"rq": 190, "rq-simple": 35, "celery": 12, "saq": 5, "arq": 5, "repid": 1}

#: The share of its core from which on Redis is what limits two processes.
BUSY = 0.85

#: Jobs whose hash, result and registry are looked at after each of our drains.
SAMPLE = 50


@dataclass(frozen=True)
class Drain:
    """One measured drain of one variant."""

    peer: str
    processes: int
    jobs: int
    rate: float
    worker_us_per_job: float
    redis: Load
    slow: SlowCalls
    run_twice: int
    #: ms from the last job's run to its entry among the finished ones; Taskyard only.
    settled_after_ms: float | None = None
    #: History events that wait for the recorder; Taskyard only.
    events_per_job: float | None = None


@dataclass(frozen=True)
class Moment:
    """What was counted at one moment of a drain."""

    at: float
    done: int
    redis: Reading
    cpu: float

    @classmethod
    def now(cls, fleet: Fleet, jobs: int) -> Moment:
        at, done = time.monotonic(), marks.opened().ran(0, jobs)
        return cls(at, done, Reading.now(), cpu_of(fleet.processes()))


def main() -> int:
    options = _options()
    variants = [(peer, n) for peer in _chosen(options) for n in peer.processes]
    with harness.workplace() as data:
        facts = harness.print_facts(peers=versions())
        drains = [
            drain
            for number in range(1, options.rounds + 1)
            for peer, processes in variants
            for drain in _measured(data, peer, processes, number, options)
        ]
    return report.finish(
        options,
        facts,
        [_table(variants, drains)],
        _targets(drains),
        drains=list(map(asdict, drains)),
    )


def _options() -> argparse.Namespace:
    parser = report.parser("throughput", __doc__)
    parser.add_argument(
        "--jobs", type=report.positive, help="most jobs of a drain (each peer's own)"
    )
    parser.add_argument(
        "--peers", type=report.names, default=USUAL, help=",".join(BY_NAME)
    )
    parser.add_argument(
        "--recorder", action="store_true", help="record the history meanwhile"
    )
    return parser.parse_args()


def _chosen(options: argparse.Namespace) -> list[Peer]:
    return [*OURS, *(BY_NAME[name] for name in options.peers)]


def _measured(
    data: Path, peer: Peer, processes: int, number: int, options: argparse.Namespace
) -> list[Drain]:
    """Return one drain; none of a peer that failed, which does not end the others."""
    jobs = min(peer.jobs, options.jobs or peer.jobs)
    recorder = options.recorder and peer in OURS
    print(f"round {number}  {peer.name:20} {processes} ", end="", flush=True)
    try:
        drain = measure(data, peer, processes, jobs, recorder=recorder)
    except (OSError, subprocess.SubprocessError) as error:
        if peer in OURS:
            raise
        print(f"failed: {error}")
        return []
    print(f"{drain.rate:10,.0f} jobs/s")
    return [drain]


def measure(
    data: Path, peer: Peer, processes: int, jobs: int, *, recorder: bool = False
) -> Drain:
    """Fill the peer's queue, start its workers, and return how fast they emptied it."""
    forget(jobs)
    enqueue(peer, peer.mark, range(jobs))
    watch_slow_calls()
    with ExitStack() as stack:
        if recorder:
            command = ("manage.py", "recorder")
            stack.enter_context(harness.running(data, "recorder", *command))
        fleet = stack.enter_context(workers(data, peer, processes))
        wait_for(range(jobs), fleet, DRAIN_TIMEOUT, int(jobs * LEAD_IN))
        first = Moment.now(fleet, jobs)
        wait_for(range(jobs), fleet, DRAIN_TIMEOUT)
        last = Moment.now(fleet, jobs)
        proof = _proof(jobs) if peer in OURS else {}
    done = last.done - first.done
    return Drain(
        peer.name,
        processes,
        jobs,
        done / (last.at - first.at),
        (last.cpu - first.cpu) / done * 1e6,
        Load.between(first.redis, last.redis, done),
        SlowCalls.seen(),
        sum(count > 1 for count in marks.opened().column(marks.RUNS, 0, jobs)),
        **proof,
    )


def _proof(jobs: int) -> dict[str, float]:
    """Check that all that is to be written of a job has been, and soon.

    Raises TimeoutError, or AssertionError for a job that is not whole.
    """
    client, ran_at = get_client(), time.monotonic()
    harness.wait_until(
        lambda: client.zcard(keys.finished(QUEUE)) == jobs, "the settling of the jobs"
    )
    settled_after = time.monotonic() - ran_at
    sample: Any = client.zrandmember(keys.finished(QUEUE), SAMPLE)
    ids = [job_id.decode() for job_id in sample]
    for job in Job.fetch_many(ids, client, serializer=JSONSerializer):
        result = job and job.latest_result()
        if not job or not job.is_finished or not result or not job.ended_at:
            raise AssertionError(f"{job} is not whole")
    return {
        "settled_after_ms": settled_after * 1e3,
        "events_per_job": client.xlen(keys.EVENTS) / jobs,
    }


def _table(variants: Sequence[tuple[Peer, int]], drains: Sequence[Drain]) -> Table:
    head = ["", "processes", "jobs/s", "commands", "reads", "worker µs", "Redis µs"]
    head += ["of a core", "slowest call, ms", "over 2 ms", "run twice"]
    title = "jobs/s: median [min..max] over rounds; commands, reads and µs are per job"
    rows = [_row(mine) for variant in variants if (mine := of(drains, *variant))]
    return Table(title, head, rows)


def of(drains: Sequence[Drain], peer: Peer, processes: int) -> list[Drain]:
    return [d for d in drains if (d.peer, d.processes) == (peer.name, processes)]


def _row(drains: Sequence[Drain]) -> list[str]:
    loads = [drain.redis for drain in drains]
    return [
        drains[0].peer,
        str(drains[0].processes),
        str(Spread.of([drain.rate for drain in drains])),
        *(
            report.short(statistics.median(column))
            for column in (
                [load.commands_per_job for load in loads],
                [load.reads_per_job for load in loads],
                [drain.worker_us_per_job for drain in drains],
                [load.cpu_us_per_job for load in loads],
            )
        ),
        f"{statistics.median(load.share for load in loads):.0%}",
        _slowest(drains),
        str(sum(drain.slow.over_2_ms for drain in drains)),
        str(sum(drain.run_twice for drain in drains)),
    ]


def _slowest(drains: Sequence[Drain]) -> str:
    worst = max((drain.slow for drain in drains), key=lambda slow: slow.worst_ms)
    return f"{report.short(worst.worst_ms)} {worst.worst_call}".strip()


def _targets(drains: Sequence[Drain]) -> list[Target]:
    one, two, functions = (
        of(drains, peer, n)
        for peer, n in ((TASKYARD, 1), (TASKYARD, 2), (TASKYARD_FUNCTIONS, 1))
    )
    ours = [drain for drain in drains if drain.settled_after_ms is not None]
    share = statistics.median(drain.redis.share for drain in two)
    excuse = f"Redis at {share:.0%} of its core" if share >= BUSY else ""
    worst = max(drain.slow.worst_ms for drain in ours)
    return [
        Target("coroutines, 1 process", "≥", 20_000, _rate(one), "jobs/s"),
        Target("coroutines, 2 processes", "≥", 30_000, _rate(two), "jobs/s", excuse),
        Target("functions, 2 children", "≥", 10_000, _rate(functions), "jobs/s"),
        Target("longest call of Redis", "≤", 2, worst, "ms"),
        Target("run twice", "≤", 0, sum(drain.run_twice for drain in ours), "jobs"),
        *(
            Target(f"coroutines, beside {name}", "≥", times, _rate(one) / rate, "×")
            for name, times in AHEAD.items()
            if (rate := _rate(of(drains, BY_NAME[name], 1)))
        ),
    ]


def _rate(drains: Sequence[Drain]) -> float:
    """Return the median; 0 for what was not measured."""
    return statistics.median(drain.rate for drain in drains) if drains else 0.0


if __name__ == "__main__":
    sys.exit(main())
