"""Tasks that take more than their share; TASKYARD_TASKS names this module where they run."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import threading
import time
from collections import deque
from pathlib import Path

from tasks import current_job, task

MEGABYTE = 1024 * 1024

#: What `hold` and `hold_apart` may hold.
LIMIT = "200M"

#: Megabytes that `talk` may print.
TALK_LIMIT = 16

#: A byte more than those may write that are limited to 64 KB.
TOO_LONG = "x" * (64 * 1024 + 1)

_kept: list[object] = []


@task(memory=LIMIT)
def hold(megabytes: int, noted: Path) -> None:
    """Take memory bit by bit; note when the limit comes, for then it may be too late."""
    for taken in range(0, megabytes, 20):
        if taken == 180:
            noted.write_text(f"{time.time()}")
        _kept.append(b"x" * (20 * MEGABYTE))
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


@task(output=f"{TALK_LIMIT}M")
def talk(megabytes: int, noted: Path | None = None) -> None:
    """Print line after line; note when it was as much as the limit."""
    line = "x" * 1023
    for number in range(megabytes * 1024):
        if noted and number == TALK_LIMIT * 1024:
            noted.write_text(f"{time.time()}")
        print(line)  # noqa: T201


@task(output="64K")
def talk_on_one_line(megabytes: int) -> None:
    """Print without ever ending the line, and go on."""
    print("x" * (megabytes * MEGABYTE), end="")  # noqa: T201
    time.sleep(3600)


@task(output="64K")
def talk_after_its_end(said: Path) -> None:
    """Leave a thread behind that logs too much."""

    def talk_on() -> None:
        time.sleep(0.5)
        job.log(TOO_LONG)
        said.touch()

    job = current_job()
    threading.Thread(target=talk_on, daemon=True).start()


@task(output="64K")
async def talk_async() -> None:
    """Log too much, then wait."""
    for _number in range(65):
        current_job().log("x" * 1024)
    await asyncio.sleep(3600)


@task(output="64K")
async def talk_in_thread() -> None:
    """Have a thread log too much, and wait."""
    await asyncio.to_thread(current_job().log, TOO_LONG)
    await asyncio.sleep(3600)


@task(output="64K")
async def talk_to_the_end() -> None:
    """Log too much and end before anybody can interrupt it."""
    current_job().log(TOO_LONG)


@task
async def talk_freely(size: int) -> None:
    """Log without a limit of its own."""
    current_job().log("x" * size)


@task(output="64K")
async def talk_enough() -> None:
    """Log as much as is allowed."""
    current_job().log(TOO_LONG[1:])
    await asyncio.sleep(0.01)


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
