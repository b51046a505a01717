"""A peer's worker processes while they are measured, and the producer of its jobs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from benchmarks import harness, marks
from benchmarks.peers.catalog import Peer
from benchmarks.processes import Process, tree
from tasks.conf import PROJECT_ROOT

#: Slots from here on are those of jobs that are not measured.
WARM_UP = marks.SLOTS - 10_000

#: Seconds that a job may take on average, for limits of time.
SECONDS_PER_JOB = 0.002

#: Seconds that a producer may take for its jobs.
PRODUCER_TIMEOUT = 900


@dataclass(frozen=True)
class Fleet:
    """The started workers of one peer."""

    roots: list[subprocess.Popen[bytes]]

    def check(self) -> None:
        """Raise ChildProcessError where a worker has ended."""
        if any(root.poll() is not None for root in self.roots):
            raise ChildProcessError("a worker has ended")

    def processes(self) -> list[Process]:
        """Return every process, children too."""
        return [process for root in self.roots for process in tree(root.pid)]

    def loops(self) -> list[Process]:
        """Return the started processes without their children."""
        return [tree(root.pid)[0] for root in self.roots]


@contextmanager
def workers(data: Path, peer: Peer, processes: int) -> Iterator[Fleet]:
    """Run a peer's workers until the block ends."""
    with ExitStack() as stack:
        roots = [
            stack.enter_context(
                harness.running(
                    data,
                    f"{peer.name}-{number}",
                    *command[1:],
                    program=peer.program(command),
                    environment=peer.variables,
                )
            )
            for number, command in enumerate(peer.commands(processes))
        ]
        yield Fleet(roots)


def enqueue(peer: Peer, job: str, numbers: range, rate: float = 0) -> None:
    """Put the numbered jobs into the peer's queue, by a process in its environment."""
    command = [peer.python, "-m", "benchmarks.producer"]
    command += [f"benchmarks.peers.{peer.producer}", job]
    command += [str(numbers.start), str(numbers.stop), str(rate)]
    subprocess.run(
        command,
        check=True,
        cwd=PROJECT_ROOT,
        env={**os.environ, **peer.variables},
        timeout=PRODUCER_TIMEOUT,
    )


def forget(jobs: int) -> None:
    """Empty Redis, and the marks of so many jobs."""
    # Without get_client's time limit: a million jobs take seconds to forget.
    with redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=None) as client:
        client.flushall()
    for first, last in ((0, jobs), (WARM_UP, marks.SLOTS)):
        marks.opened().clear(first, last)


def warm_up(peer: Peer, fleet: Fleet, jobs: int = 20) -> None:
    """Run jobs that are not measured. Raises TimeoutError."""
    numbers = range(WARM_UP, WARM_UP + jobs)
    enqueue(peer, peer.note, numbers)
    wait_for(numbers, fleet, 60)


def wait_for(numbers: range, fleet: Fleet, timeout: float, least: int = 0) -> None:
    """Wait until all (or `least`) of the jobs were run. Raises OSError if they cannot."""
    found, wanted = marks.opened(), least or len(numbers)

    def is_so() -> bool:
        fleet.check()
        return found.ran(numbers.start, numbers.stop) >= wanted

    try:
        harness.wait_until(is_so, f"the run of {wanted} jobs", timeout)
    except TimeoutError as error:
        error.add_note(f"{found.ran(numbers.start, numbers.stop)} were run")
        raise
