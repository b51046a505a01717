"""Real processes for tests: started with few settings, ended with the test."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tasks.broker import keys
from tasks.broker.client import get_client
from tasks.conf import PROJECT_ROOT
from tests.conftest import PATIENCE, wait_until
from tests.ledgers import Ledger, own_ledger

Process = subprocess.Popen[bytes]

#: How long a process may take to come up on a busy machine, in seconds.
START = PATIENCE


class Fleet:
    """Starts processes that know nothing but what they are told."""

    def __init__(self, **environment: str) -> None:
        self.environment = {
            "PATH": os.environ["PATH"],
            "TASKYARD_TASKS": "tests.sample",
            **environment,
        }
        self._processes: list[Process] = []

    def start(self, *command: str, **environment: str) -> Process:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=PROJECT_ROOT,
            env={**self.environment, **environment},
            start_new_session=True,
            stdout=subprocess.PIPE,
        )
        self._processes.append(process)
        return process

    def manage(self, *words: str, **environment: str) -> Process:
        return self.start("manage.py", *words, **environment)

    def worker(self, *options: str, name: str = "w1", **environment: str) -> Process:
        """Start a worker and wait until it has said that it is there.

        Unless told otherwise, it does not let what still runs hold up the test's end.
        """
        words = ("worker", "--name", name, "--grace", "1", *options)
        process = self.manage(*words, **environment)
        wait_until(lambda: get_client().exists(keys.worker(name)), START)
        return process

    def run(self, *command: str, **environment: str) -> str:
        """Run a program to its end and return what it printed."""
        done = self.start(*command, **environment)
        output = done.communicate(timeout=START)[0].decode()
        assert done.returncode == 0, output
        return output

    def end(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdout:
                process.stdout.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path short enough for a socket."""
    made = Path(tempfile.mkdtemp(prefix="ty-"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def ledger(folder: Path) -> Iterator[Ledger]:
    """An empty ledger; `ledger.environment` tells processes of it."""
    with own_ledger(folder) as made:
        yield made


@pytest.fixture
def make_fleet() -> Iterator[Callable[..., Fleet]]:
    fleets: list[Fleet] = []

    def make(**environment: str) -> Fleet:
        fleets.append(Fleet(**environment))
        return fleets[-1]

    yield make
    for fleet in fleets:
        fleet.end()


@pytest.fixture
def fleet(make_fleet: Callable[..., Fleet], folder: Path) -> Fleet:
    """Processes on the Redis of this test run, without a ledger."""
    return make_fleet(REDIS_URL=os.environ["REDIS_URL"], TASKYARD_DATA=str(folder))


@pytest.fixture
def misfits_fleet(make_fleet: Callable[..., Fleet], fleet: Fleet) -> Fleet:
    """Processes that know the tasks of tests.misfits, and functions that RQ would run."""
    return make_fleet(
        **{
            **fleet.environment,
            "TASKYARD_TASKS": "tests.sample,tests.misfits",
            "TASKYARD_RQ_MODULES": "tests.plain,tests.misfits,tests.absent,tests.leaver",
        }
    )


@pytest.fixture
def hogs_fleet(make_fleet: Callable[..., Fleet], fleet: Fleet) -> Fleet:
    """Processes that know the tasks of tests.hogs."""
    modules = "tests.sample,tests.hogs"
    return make_fleet(**{**fleet.environment, "TASKYARD_TASKS": modules})


def children_of(pid: int) -> list[int]:
    """Return the ids of a process's children."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = entry.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid:
                found.append(int(entry.parent.name))
    return found


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def environment_of(pid: int) -> Mapping[str, str]:
    raw = Path(f"/proc/{pid}/environ").read_bytes().decode()
    pairs = (part.partition("=") for part in raw.split("\0") if part)
    return {name: value for name, _sep, value in pairs}
