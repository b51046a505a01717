"""How soon a job starts, beside other queues.

Jobs come at a fixed rate, whether or not earlier ones have started. Four questions:
idle (a worker with nothing else to do), load (half of what it can do), crowd (20 workers
wait on one queue), paused (what a worker costs that may not touch what waits).

The delay of Taskyard's jobs runs from the start of the push to the function's first line;
`submit` before it, with the row in the ledger, is shown apart. That of the others runs
from just before the call that enqueues. Beside them stands what one PING takes that comes
at the same rate: a worker that starts a job in less time would have to guess it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import harness, marks, report, throughput
from benchmarks.delays import CROWD, IDLE, LOAD, PARTS, PAUSED, Round, tables, targets
from benchmarks.fleet import enqueue, forget, wait_for, warm_up, workers
from benchmarks.harness import Summary, percentile
from benchmarks.idling import Idling, measure_idling
from benchmarks.peers.catalog import BY_NAME, TASKYARD, TASKYARD_FUNCTIONS, Peer
from benchmarks.peers.environments import versions
from tasks.broker import keys
from tasks.broker.client import get_client

#: Peers that are measured if none are named.
USUAL = "rq,rq-simple,repid,saq,taskiq,celery"

#: Workers of the crowd, and seconds of the load.
CROWD_SIZE, LOAD_SECONDS = 20, 8

#: The limit that the idle worker is held against.
PING = "one PING"


def main() -> int:
    options = _options()
    with harness.workplace() as data:
        facts = harness.print_facts(peers=versions())
        rate = options.load_rate or _half_of_throughput(data, options)
        rounds = list(_rounds(data, options, rate))
        idlings = list(_idlings(data, options))
    rates = {IDLE: options.rate, LOAD: rate, CROWD: options.rate}
    return report.finish(
        options,
        facts,
        tables(rounds, idlings),
        targets(rounds, idlings, rates),
        rounds=list(map(asdict, rounds)),
        idlings=list(map(asdict, idlings)),
    )


def _options() -> argparse.Namespace:
    parser = report.parser("latency", __doc__)
    parser.add_argument(
        "--jobs", type=report.positive, default=500, help="jobs in a round (500)"
    )
    parser.add_argument("--rate", type=float, default=50, help="jobs per second (50)")
    parser.add_argument(
        "--load-rate", type=float, help="jobs per second of the load (half of the most)"
    )
    parser.add_argument(
        "--parts", type=report.names, default=list(PARTS), help=",".join(PARTS)
    )
    parser.add_argument(
        "--peers", type=report.names, default=USUAL, help=",".join(BY_NAME)
    )
    return parser.parse_args()


def _half_of_throughput(data: Path, options: argparse.Namespace) -> float:
    if LOAD not in options.parts:
        return 0.0
    return throughput.measure(data, TASKYARD, 1, TASKYARD.jobs // 2).rate / 2


def _rounds(
    data: Path, options: argparse.Namespace, load_rate: float
) -> Iterator[Round]:
    """Yield the rounds; the crowd's at the end, for it takes long to come."""
    for number in range(1, options.rounds + 1):
        print(f"round {number}", flush=True)
        if IDLE in options.parts:
            for peer in (TASKYARD, TASKYARD_FUNCTIONS):
                with _own_workers(data, peer, 1):
                    yield _submitted(IDLE, peer, options)
            for name in options.peers:
                yield _produced(data, IDLE, BY_NAME[name], options.rate, options.jobs)
            yield _pinged(options)
        if LOAD in options.parts:
            jobs = int(load_rate * LOAD_SECONDS)
            yield _produced(data, LOAD, TASKYARD, load_rate, jobs)
    if CROWD in options.parts:
        with _own_workers(data, TASKYARD, CROWD_SIZE):
            for _number in range(options.rounds):
                yield _submitted(CROWD, TASKYARD, options)


def _idlings(data: Path, options: argparse.Namespace) -> Iterator[Idling]:
    if PAUSED in options.parts:
        for _number in range(options.rounds):
            yield from measure_idling(data)


# Jobs that come by `submit`, from this process.


@contextmanager
def _own_workers(data: Path, peer: Peer, processes: int) -> Iterator[None]:
    """Run a recorder and workers that have announced themselves."""
    forget(marks.SLOTS // 10)
    with ExitStack() as stack:
        stack.enter_context(harness.running(data, "recorder", "manage.py", "recorder"))
        fleet = stack.enter_context(workers(data, peer, processes))
        client = get_client()
        harness.wait_until(
            lambda: client.scard("rq:workers") == processes, "the workers' start", 120
        )
        warm_up(peer, fleet)
        yield


def _submitted(part: str, peer: Peer, options: argparse.Namespace) -> Round:
    """Submit jobs at a rate and return how long they took to start."""
    # The tasks are registered only where Django has been set up.
    from benchmarks import jobs

    task = jobs.note_async if peer is TASKYARD else jobs.note
    numbers = range(options.jobs)
    marks.opened().clear(0, options.jobs)
    called = list(_at_rate(numbers, options.rate, lambda n: _submit(task, n)))
    harness.wait_until(
        lambda: marks.opened().ran(0, options.jobs) == options.jobs, "the jobs' run"
    )
    harness.wait_until(lambda: not get_client().xlen(keys.EVENTS), "their record")
    pushed = marks.opened().column(marks.DUE, 0, options.jobs)
    submission = [
        (push - call) * 1e3 for push, call in zip(pushed, called, strict=True)
    ]
    return _round(part, peer.name, options.jobs, Summary.of(submission))


def _at_rate(
    numbers: range, rate: float, call: Callable[[int], None]
) -> Iterator[float]:
    """Call with each number at its time; yield when each call began."""
    first = time.time()
    for turn, number in enumerate(numbers):
        time.sleep(max(0.0, first + turn / rate - time.time()))
        yield time.time()
        call(number)


def _submit(task: Any, number: int) -> None:
    """Submit a job and note when its push began, which follows the commit."""
    from django.db import transaction

    from tasks import submit

    times = marks.opened().times

    def note_push() -> None:
        times[4 * number + marks.DUE] = time.time()

    with transaction.atomic():
        transaction.on_commit(note_push)  # before the push, which is put behind it
        submit(task, [number])


# Jobs that come from a producer in its own process.


def _produced(data: Path, part: str, peer: Peer, rate: float, jobs: int) -> Round:
    forget(jobs)
    with workers(data, peer, 1) as fleet:
        warm_up(peer, fleet)
        enqueue(peer, peer.note, range(jobs), rate)
        wait_for(range(jobs), fleet, 60)
    return _round(part, peer.name, jobs, None)


def _pinged(options: argparse.Namespace) -> Round:
    """Return how long Redis takes to answer, after as long a rest as between two jobs."""
    client = get_client()
    times = marks.opened().times

    def ping(number: int) -> None:
        times[4 * number + marks.DUE] = time.time()
        client.ping()
        times[4 * number + marks.BEGUN] = time.time()

    for _asked in _at_rate(range(options.jobs), options.rate, ping):
        pass
    return _round(IDLE, PING, options.jobs, None)


def _round(part: str, variant: str, jobs: int, submission: Summary | None) -> Round:
    found = marks.opened()
    due, begun = (found.column(which, 0, jobs) for which in (marks.DUE, marks.BEGUN))
    delays = sorted((b - d) * 1e3 for b, d in zip(begun, due, strict=True))
    return Round(
        part,
        variant,
        Summary.of(delays),
        submission,
        max(1, jobs - 1) / ((due[-1] - due[0]) or 1),
        [delays[0], *(percentile(delays, share) for share in range(1, 101))],
    )


if __name__ == "__main__":
    sys.exit(main())
