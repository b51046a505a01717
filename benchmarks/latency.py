"""How long a submitted job waits for its first line, beside a stock `rq worker`.

Jobs come at a fixed rate, whether or not the earlier ones have started. The start delay
runs from just before `submit()` (or `Queue.enqueue()`) is called to the function's first
line, and so holds the submission itself, which is shown apart as well.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import rq
from rq.serializers import JSONSerializer

from benchmarks import harness, plain
from benchmarks.harness import Summary
from tasks.broker import keys
from tasks.broker.client import get_client
from tasks.conf import get_config

#: Jobs before each round that are not measured.
WARM_UP = 20

#: The stock worker's variant, and its queue.
STOCK, STOCK_QUEUE = "stock rq worker", "stock"

#: The parts of the table.
TITLES = ("start delay", "of it, the submission", "late to submit")

#: Seconds that the last jobs of a round may take to end.
END_TIMEOUT = 60

#: A schedule that was missed by more than this share of a round was not kept.
TOLERANCE = 0.02


@dataclass(frozen=True)
class Variant:
    """One way to run a no-op job; `submit` returns its id."""

    name: str
    submit: Callable[[], str]


@dataclass(frozen=True)
class Round:
    """One measured round of one variant."""

    variant: str
    start_delay: Summary
    submission: Summary
    #: How late the calls began, because earlier ones took longer than the interval.
    lateness: Summary
    #: Jobs per second that were really submitted.
    rate: float


def main() -> int:
    options = _options()
    with harness.workplace() as data, ExitStack() as stack:
        _start_processes(data, stack)
        variants = _variants()
        facts = harness.print_facts()
        rounds = [
            measure(variant, options.jobs, options.rate)
            for _number in range(options.rounds)
            for variant in variants
        ]
        facts["load average after"] = harness.load_average()
    medians = {variant.name: _medians(rounds, variant.name) for variant in variants}
    worst = max(m[0].p99 for name, m in medians.items() if name != STOCK)
    _print_table(medians, options)
    print(f"load average after: {facts['load average after']}")
    if options.json:
        _write(options.json, facts, rounds, options)
    return _verdict(worst, options.limit, min(r.rate for r in rounds) / options.rate)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency")
    parser.add_argument("--jobs", type=int, default=500, help="jobs in a round (500)")
    parser.add_argument("--rate", type=float, default=50, help="jobs per second (50)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each (3)")
    parser.add_argument(
        "--limit", type=float, default=50, help="most ms for Taskyard's p99 (50)"
    )
    parser.add_argument("--json", type=Path, help="file for every round's figures")
    options = parser.parse_args()
    if min(options.jobs, options.rate, options.rounds) <= 0:
        parser.error("--jobs, --rate and --rounds must be positive")
    return options


def _start_processes(data: Path, stack: ExitStack) -> None:
    from benchmarks.jobs import QUEUE

    url = get_config().broker_url()
    programs = {
        "recorder": ("manage.py", "recorder"),
        "worker": ("manage.py", "worker", "--queues", QUEUE),
        "rq": ("-m", "rq.cli", "worker", "-u", url, "-S", "json", "-q", STOCK_QUEUE),
    }
    for name, command in programs.items():
        stack.enter_context(harness.running(data, name, *command))
    for queue in (QUEUE, STOCK_QUEUE):
        harness.wait_until(
            functools.partial(_has_members, keys.queue_workers(queue)),
            f"a worker of the queue {queue}",
        )


def _has_members(key: str) -> bool:
    return bool(get_client().scard(key))


def _variants() -> list[Variant]:
    # The tasks are registered only where Django has been set up.
    from benchmarks import jobs
    from tasks import submit

    stock = rq.Queue(STOCK_QUEUE, connection=get_client(), serializer=JSONSerializer)
    return [
        Variant("taskyard, coroutine", lambda: submit(jobs.note_start_async).id),
        Variant("taskyard, function", lambda: submit(jobs.note_start).id),
        Variant(STOCK, lambda: stock.enqueue(plain.note_start).id),
    ]


def measure(variant: Variant, jobs: int, rate: float) -> Round:
    """Submit jobs at `rate` and return how long they took to start."""
    _starts([variant.submit() for _number in range(WARM_UP)])
    begun: list[int] = []
    ended: list[int] = []
    ids: list[str] = []
    late: list[float] = []
    first = time.monotonic()
    for number in range(jobs):
        due = first + number / rate
        time.sleep(max(0.0, due - time.monotonic()))
        late.append((time.monotonic() - due) * 1e3)
        begun.append(time.time_ns())
        ids.append(variant.submit())
        ended.append(time.time_ns())
    started = _starts(ids)
    took = (begun[-1] - begun[0]) / 1e9 or 1 / rate
    return Round(
        variant.name,
        Summary.of(_milliseconds(begun, started)),
        Summary.of(_milliseconds(begun, ended)),
        Summary.of(late),
        max(1, jobs - 1) / took,
    )


def _starts(ids: Sequence[str]) -> list[int]:
    """Return what the jobs returned, when all have and the recorder has no work left."""
    client, waiting = get_client(), list(ids)

    def all_ended() -> bool:
        # One question a look while jobs still run: many would slow them down.
        while waiting and client.hget(keys.job(waiting[-1]), "status") == b"finished":
            waiting.pop()
        return not waiting and not client.xlen(keys.EVENTS)

    harness.wait_until(all_ended, f"the end of {len(ids)} jobs", END_TIMEOUT)
    jobs = rq.job.Job.fetch_many(ids, client, serializer=JSONSerializer)
    values: list[Any] = [job.return_value() for job in jobs if job]
    return values


def _milliseconds(begun: Sequence[int], ended: Sequence[int]) -> list[float]:
    return [(end - begin) / 1e6 for begin, end in zip(begun, ended, strict=True)]


def _medians(rounds: Sequence[Round], name: str) -> tuple[Summary, ...]:
    mine = [each for each in rounds if each.variant == name]
    return (
        Summary.median([each.start_delay for each in mine]),
        Summary.median([each.submission for each in mine]),
        Summary.median([each.lateness for each in mine]),
    )


def _print_table(
    medians: dict[str, tuple[Summary, ...]],
    options: argparse.Namespace,
) -> None:
    print(
        f"{options.jobs} jobs at {options.rate:g} per second, in ms;"
        f" each figure is the median of {options.rounds} rounds\n"
    )
    for number, title in enumerate(TITLES):
        print(f"{title:24}" + "".join(f"{n:>9}" for n in ("p50", "p95", "p99", "max")))
        for name, summaries in medians.items():
            figures = asdict(summaries[number]).values()
            print(f"  {name:22}" + "".join(f"{value:9.2f}" for value in figures))
        print()


def _write(
    path: Path,
    facts: dict[str, str],
    rounds: Sequence[Round],
    options: argparse.Namespace,
) -> None:
    asked = {"jobs": options.jobs, "rate": options.rate}
    figures = [asdict(each) for each in rounds]
    path.write_text(json.dumps({**facts, **asked, "rounds": figures}, indent=2) + "\n")


def _verdict(worst: float, limit: float, pace: float) -> int:
    if pace < 1 - TOLERANCE:
        print(f"The rate was not kept: {pace:.0%} of it. The figures do not count.")
        return 2
    is_good = worst <= limit
    print(
        f"Taskyard's p99 is {worst:.2f} ms;"
        f" {'within' if is_good else 'over'} the limit of {limit:g} ms."
    )
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
