"""Tasks that harm where they run; scenarios about them name this module too.

Each tells the journal when it begins, and `over` when it passes the limit that it is
to be killed for; one that is only ended by its timeout passes it when that is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import time
from pathlib import Path

from benchmarks.faults import journal
from benchmarks.faults.jobs import say
from tasks import task

#: What a task tells the journal when it has passed its limit.
OVER = "over"

#: Megabytes that a hog may hold, and those that it takes at a time.
HOG_LIMIT, MOUTHFUL = 256, 32

#: Megabytes that a flood may print.
FLOOD_LIMIT = 64

#: Seconds that a task which never ends by itself may run.
TIMEOUT = 3


@task
def kill_worker() -> None:
    """Kill the process that this one was started by with -9: the worker."""
    say(journal.START)
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(3600)


@task
async def kill_worker_async() -> None:
    """Kill the process whose loop this runs on with -9: the worker."""
    say(journal.START)
    os.kill(os.getpid(), signal.SIGKILL)


@task(memory=f"{HOG_LIMIT}M", timeout=120)
def hog(megabytes: int) -> None:
    """Take memory and keep it."""
    say(journal.START)
    taken, is_over = [], False
    for size in range(MOUTHFUL, megabytes + 1, MOUTHFUL):
        if size + MOUTHFUL > HOG_LIMIT and not is_over:
            say(OVER)  # a little early: past the limit it may not get to say it
            is_over = True
        taken.append(os.urandom(1024) * (MOUTHFUL << 10))
        time.sleep(0.01)
    time.sleep(3600)


@task(timeout=TIMEOUT)
def fork_bomb(processes: int) -> None:
    """Fork so many processes that stay, half of them in sessions of their own."""
    say(journal.START)
    for number in range(processes):
        if os.fork() == 0:
            if number % 2:
                os.setsid()
            say(journal.BEAT)
            _never_end()
    _never_end()


@task(timeout=TIMEOUT)
def leak_files() -> None:
    """Open files until no more can be opened, and keep them."""
    say(journal.START)
    with contextlib.suppress(OSError):
        kept = [os.open(os.devnull, os.O_RDONLY) for _number in itertools.count()]
        del kept  # never: the system ends the counting
    _never_end()


@task(output=f"{FLOOD_LIMIT}M", timeout=120)
def flood_log(megabytes: int) -> None:
    """Print so much, then stay."""
    say(journal.START)
    line = "x" * 1023
    for number in range(megabytes << 10):
        if number == FLOOD_LIMIT << 10:
            say(OVER)
        print(line)
    _never_end()


@task(timeout=TIMEOUT)
def ignore_signals() -> None:
    """Heed neither SIGTERM nor anything that is raised here."""
    say(journal.START)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _never_end()


@task(timeout=TIMEOUT)
def loop_in_c() -> None:
    """Never come back from a call of C, in which Python hears no signal."""
    say(journal.START)
    sum(itertools.repeat(0))


@task(retries=50, backoff=1)
def call_dependency(is_down: Path) -> None:
    """Fail while a file says that what this depends on is down."""
    say(journal.START)
    if is_down.exists():
        raise ConnectionError("the dependency is down")
    say(journal.END)


@task(retries=3, backoff=1, breaker=20)
async def call_dependency_async(is_down: Path) -> None:
    """Fail on the loop while a file says that what this depends on is down."""
    await asyncio.sleep(0)
    say(journal.START)
    if is_down.exists():
        raise ConnectionError("the dependency is down")
    say(journal.END)


def _never_end() -> None:
    while True:
        with contextlib.suppress(Exception):
            time.sleep(3600)
