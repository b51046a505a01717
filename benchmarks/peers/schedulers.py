"""The schedulers that release delayed jobs: ours, RQ's own, and rq-scheduler's.

Each runs beside a worker of the queue whose jobs are timed. RQ and rq-scheduler come from
this environment, which has both for Taskyard's sake. Celery has no scheduler for delayed
jobs: its worker takes them at once and keeps them in its memory until they are due.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import redis
from rq import Queue
from rq_scheduler import Scheduler as StockScheduler

from benchmarks import harness
from benchmarks.fleet import forget
from benchmarks.peers.environments import programs
from tasks.conf import PROJECT_ROOT
from tasks.process import die_with_parent

#: The queue whose jobs a worker runs, and the one that only fills.
TIMED, BURST = "timed", "burst"

#: How a stock worker runs a job soonest.
STOCK_WORKER = ("rq", "worker", "-q", "-w", "rq.SimpleWorker", TIMED)

#: The call that has jobs of a queue, by their numbers, run at a moment (Unix seconds).
Delay = Callable[[str, Sequence[int], float], None]


@dataclass(frozen=True)
class Variant:
    """One kind of scheduler, and how jobs are given to it."""

    name: str
    scheduler: Sequence[str]
    others: Sequence[Sequence[str]]
    delay: Delay
    #: Jobs of a burst: some seconds' worth; and seconds before it is due for each
    #: thousand, in which they must be submitted and recorded on a slow machine too.
    jobs: int = 0
    seconds_per_thousand: float = 0.0
    environment: str = ""


def _manage(*words: str) -> tuple[str, ...]:
    return ("python", "manage.py", *words)


def _delay_ours(queue: str, numbers: Sequence[int], due: float) -> None:
    # They need Django, which the workplace has set up.
    from benchmarks.jobs import note_async
    from tasks import submit_many

    at = datetime.fromtimestamp(due, UTC)
    submit_many([note_async.s(n) for n in numbers], queue=queue, at=at)


def _delay_by_rq(queue: str, numbers: Sequence[int], due: float) -> None:
    with _connection() as connection:
        found, at = (
            Queue(queue, connection=connection),
            datetime.fromtimestamp(due, UTC),
        )
        for number in numbers:
            found.enqueue_at(at, "benchmarks.marks.note", number)


def _delay_by_rq_scheduler(queue: str, numbers: Sequence[int], due: float) -> None:
    with _connection() as connection:
        found = StockScheduler(queue, connection=connection)
        for number in numbers:
            at = datetime.fromtimestamp(due, UTC)
            found.enqueue_at(at, "benchmarks.marks.note", number)


def _delay_by_celery(queue: str, numbers: Sequence[int], due: float) -> None:
    process: Any = _producer("benchmarks.peers.with_celery", "main")
    print(json.dumps([queue, list(numbers), due]), file=process.stdin, flush=True)
    if not process.stdout.readline():
        raise RuntimeError("the producer of Celery's jobs has ended")


@functools.cache
def _producer(module: str, environment: str) -> subprocess.Popen[str]:
    """Start a process that delays jobs as long as this one lives."""
    python = str(programs(environment) / "python")
    return subprocess.Popen(
        [python, "-m", "benchmarks.peers.delaying", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT_ROOT,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
        preexec_fn=functools.partial(die_with_parent, os.getpid()),
    )


def _connection() -> redis.Redis:
    return redis.Redis.from_url(os.environ["REDIS_URL"])


TASKYARD = Variant(
    "taskyard",
    _manage("scheduler"),
    [_manage("recorder"), _manage("worker", "--queues", TIMED, "--children", "1")],
    _delay_ours,
    jobs=100_000,
    seconds_per_thousand=0.8,
)
RQ = Variant(
    "rq",
    ("python", "-m", "benchmarks.peers.with_rq_own", TIMED, BURST),
    [STOCK_WORKER],
    _delay_by_rq,
    jobs=5_000,
    seconds_per_thousand=4.0,
)
RQ_SCHEDULER = Variant(
    "rq-scheduler",
    ("rqscheduler", "--interval", "1", "--quiet"),
    [STOCK_WORKER],
    _delay_by_rq_scheduler,
    jobs=5_000,
    seconds_per_thousand=4.0,
)
CELERY = Variant(
    "celery",
    ("celery", "-A", "benchmarks.peers.with_celery", "worker", "-c", "1", "-Q", TIMED),
    [],
    _delay_by_celery,
    environment="main",
)
BY_NAME = {one.name: one for one in (TASKYARD, CELERY, RQ, RQ_SCHEDULER)}
#: Those that move jobs from where they wait into queues.
MOVERS = {name: one for name, one in BY_NAME.items() if one.jobs}


@contextmanager
def running(data: Path, variant: Variant, jobs: int) -> Iterator[int]:
    """Run a variant's processes on an empty Redis until the block ends.

    Gives the scheduler's process id when it and a worker have announced themselves, where
    they do that in RQ's way.
    """
    forget(jobs)
    _forget_ledger()
    variables = {
        "PYTHONPATH": str(PROJECT_ROOT),
        "PYTHONWARNINGS": "ignore",
        "RQ_REDIS_URL": os.environ["REDIS_URL"],
    }
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                harness.running(
                    data,
                    f"{variant.name}-{number}",
                    *command[1:],
                    program=str(programs(variant.environment) / command[0]),
                    environment=variables,
                )
            )
            for number, command in enumerate([variant.scheduler, *variant.others])
        ]
        if not variant.environment:
            _wait_for_announcements()
        yield started[0].pid


def _forget_ledger() -> None:
    """Empty the ledger too: what is open in it would be brought back into Redis."""
    from tasks.models import Epoch, Job

    Job.objects.all().delete()
    Epoch.objects.all().delete()


def _wait_for_announcements() -> None:
    with _connection() as connection:
        harness.wait_until(lambda: connection.scard("rq:workers") == 1, "a worker", 60)
        harness.wait_until(lambda: _is_scheduling(connection), "a scheduler", 60)


def _is_scheduling(connection: redis.Redis) -> bool:
    from tasks.broker import keys

    for sign in (keys.STOCK_SCHEDULERS, "rq:scheduler:*"):
        if any(connection.scan_iter(sign)):
            return True
    alive: Any = connection.hkeys(keys.LIVENESS)
    return any(name.startswith(b"scheduler:") for name in alive)
