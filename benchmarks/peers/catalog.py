"""The queues that benchmarks compare, and how each is started as its users would."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.peers.environments import programs
from tasks.conf import PROJECT_ROOT

#: A program of the peer's environment, and its arguments.
Command = list[str]

QUEUE = "taskyard"


@dataclass(frozen=True)
class Peer:
    """One queue and one way to run its worker."""

    name: str
    #: The module of this package through which jobs go in.
    producer: str
    #: Commands that start so many worker processes.
    commands: Callable[[int], list[Command]]
    #: The job that only says that it ran, and the one that says when.
    mark: str = "mark"
    note: str = "note"
    environment: str = ""
    #: Jobs of one drain: some seconds' worth.
    jobs: int = 20_000
    #: Numbers of worker processes that it is measured with.
    processes: tuple[int, ...] = (1, 2)

    def program(self, command: Command) -> str:
        return str(programs(self.environment) / command[0])

    @property
    def python(self) -> str:
        return str(programs(self.environment) / "python")

    @property
    def variables(self) -> dict[str, str]:
        """Its environment: modules of this project, and no warnings in its log."""
        return {
            "PYTHONPATH": str(PROJECT_ROOT),
            "PYTHONWARNINGS": "ignore",
            "RQ_REDIS_URL": os.environ["REDIS_URL"],
        }


def each(*command: str) -> Callable[[int], list[Command]]:
    """Return what starts the same command once for every process."""
    return lambda processes: [list(command)] * processes


def counted(*command: str) -> Callable[[int], list[Command]]:
    """Return what starts one command that is told the number of processes last."""
    return lambda processes: [[*command, str(processes)]]


def _rq(*options: str) -> Callable[[int], list[Command]]:
    def commands(processes: int) -> list[Command]:
        pool = ["worker-pool", "-n", str(processes)] if processes > 1 else ["worker"]
        return [["rq", *pool, "-q", "-S", "json", *options, QUEUE]]

    return commands


def worker_command(*options: str) -> Command:
    return ["python", "manage.py", "worker", "--queues", QUEUE, *options]


_TASKYARD = worker_command("--concurrency", "1000", "--children", "2")

TASKYARD = Peer(
    "taskyard",
    "with_rq",
    each(*_TASKYARD),
    mark="benchmarks.jobs.mark_async",
    note="benchmarks.jobs.note_async",
    jobs=100_000,
)
TASKYARD_FUNCTIONS = Peer(
    "taskyard-functions",
    "with_rq",
    each(*_TASKYARD),
    mark="benchmarks.jobs.mark",
    note="benchmarks.jobs.note",
    jobs=40_000,
    processes=(1,),
)


def _stock(name: str, jobs: int, *options: str) -> Peer:
    mark, note = "benchmarks.marks.mark", "benchmarks.marks.note"
    return Peer(name, "with_rq", _rq(*options), mark, note, "main", jobs)


_WITH = "benchmarks.peers.with_"
_CELERY = ("celery", "-A", f"{_WITH}celery", "worker", "-l", "WARNING", "-c")
_DRAMATIQ = ("dramatiq", f"{_WITH}dramatiq", "-t", "8", "-p")
_HUEY = ("huey_consumer", f"{_WITH}huey.huey", "-q", "-k", "process", "-w")
_TASKIQ = ("taskiq", "worker", f"{_WITH}taskiq:broker", "--log-level", "WARNING")
_ARQ = ("arq", f"{_WITH}arq.WorkerSettings", "--custom-log-dict", f"{_WITH}arq.LOGGING")

#: Quick ones first.
PEERS = (
    _stock("rq", 400),
    _stock("rq-simple", 2_500, "-w", "rq.SimpleWorker"),
    Peer(
        "repid",
        "with_repid",
        each("python", "-m", f"{_WITH}repid"),
        environment="saq",
        jobs=40_000,
    ),
    Peer("arq", "with_arq", each(*_ARQ), environment="arq", jobs=6_000),
    Peer(
        "saq",
        "with_saq",
        counted("saq", f"{_WITH}saq.settings", "--quiet", "--workers"),
        environment="saq",
        jobs=8_000,
    ),
    Peer("celery", "with_celery", counted(*_CELERY), environment="main", jobs=5_000),
    Peer("taskiq", "with_taskiq", counted(*_TASKIQ, "--workers"), environment="main"),
    Peer("huey", "with_huey", counted(*_HUEY), environment="main"),
    Peer(
        "dramatiq",
        "with_dramatiq",
        counted(*_DRAMATIQ),
        environment="main",
        jobs=12_000,
    ),
)
BY_NAME = {peer.name: peer for peer in PEERS}
