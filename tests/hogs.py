"""Tasks that take more than their share; TASKYARD_TASKS names this module where they run."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import time
from collections import deque
from pathlib import Path

from tasks import task

MEGABYTE = 1024 * 1024

#: What `hold` and `hold_apart` may hold.
LIMIT = "200M"

_kept: list[object] = []


@task(memory=LIMIT)
def hold(megabytes: int, noted: Path) -> None:
    """Take memory bit by bit; note when it was more than the limit."""
    for taken in range(0, megabytes, 20):
        _kept.append(b"x" * (20 * MEGABYTE))
        if taken > 200 and not noted.exists():
            noted.write_text(f"{time.time()}")
        time.sleep(0.01)
    time.sleep(3600)


@task
def hold_freely(megabytes: int) -> None:
    """Take memory without a limit of its own."""
    _kept.append(b"x" * (megabytes * MEGABYTE))
    time.sleep(3600)


@task(memory=LIMIT)
def hold_apart(processes: int, megabytes: int) -> None:
    """Have processes, each in a session of its own, hold memory of their own."""
    program = f"x = b'x' * ({megabytes} * {MEGABYTE}); import time; time.sleep(3600)"
    for _number in range(processes):
        subprocess.Popen(["python3", "-c", program], start_new_session=True)
    time.sleep(3600)


@task(timeout=3)
def multiply(noted: Path) -> None:
    """Fork processes that fork processes, 200 in all, and note them."""
    _ignore_signals()
    for _number in range(10):
        if os.fork() == 0:
            for _other in range(19):
                if os.fork() == 0:
                    break
            with noted.open("a") as file:
                file.write(f"{os.getpid()}\n")
            _wait()
    _wait()


@task
def open_files(spare: int = 0) -> int:
    """Open all files but so many that can be opened; say in which process."""
    numbers = []
    with contextlib.suppress(OSError):
        while True:
            numbers.append(os.open("/dev/null", os.O_RDONLY))
    for _number in range(spare):
        os.close(numbers.pop())
    return os.getpid()


@task(output="64K")
def talk(megabytes: int) -> None:
    """Print line after line."""
    line = "x" * 1023
    for _number in range(megabytes * 1024):
        print(line)  # noqa: T201


@task(timeout=1)
def ignore_signals(noted: Path) -> None:
    """Heed neither a signal nor the timeout; note which process does so."""
    noted.write_text(str(os.getpid()))
    _ignore_signals()
    _wait()


def _ignore_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _wait() -> None:
    while True:
        time.sleep(3600)


@task(timeout=1)
def spin(noted: Path) -> None:
    """Run in C for ever, where Python hears no signal."""
    noted.write_text(str(os.getpid()))
    deque(itertools.repeat(None), maxlen=0)


@task
def start_apart(path: Path) -> None:
    """Start a program in a session of its own, write its id down and wait for it."""
    with subprocess.Popen(["sleep", "3600"], start_new_session=True) as process:
        path.write_text(str(process.pid))


@task
async def hum_async(path: Path) -> None:
    """Touch a file for as long as it runs."""
    while True:
        path.touch()
        await asyncio.sleep(0.05)
