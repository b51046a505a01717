"""The tasks that the scenarios run; each tells the journal when it begins and ends.

TASKYARD_TASKS names this module in every process of a scenario.
"""

from __future__ import annotations

import asyncio
import time
from itertools import repeat
from pathlib import Path

from benchmarks.faults import journal
from tasks import current_job, task

#: Seconds between two signs of life of a job that lasts.
BEAT_EVERY = 0.05

#: Queues by falling priority, for scenarios that need several.
QUEUES = ("first", "second", "third")


def say(event: str) -> None:
    """Tell the journal of the job that runs here."""
    job = current_job()
    journal.write(event, job.id, job.attempt)


@task
def brief() -> None:
    """Do nothing, in a child process."""
    say(journal.START)
    say(journal.END)


@task
async def brief_async() -> None:
    """Do nothing, on the worker's loop."""
    say(journal.START)
    say(journal.END)


@task
async def tick(*, schedule: str) -> str:
    """Do nothing, on the worker's loop, for the schedule of that name."""
    say(journal.START)
    say(journal.END)
    return schedule


@task
def doze(seconds: float) -> None:
    """Sleep so long, in a child process, with no more signs of life than two."""
    say(journal.START)
    time.sleep(seconds)
    say(journal.END)


@task
async def doze_async(seconds: float) -> None:
    """Sleep so long, on the worker's loop, with no more signs of life than two."""
    say(journal.START)
    await asyncio.sleep(seconds)
    say(journal.END)


@task
def last(seconds: float) -> int:
    """Last so long, in a child process, with signs of life; returns the attempt."""
    say(journal.START)
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(BEAT_EVERY, left))
        say(journal.BEAT)
    say(journal.END)
    return current_job().attempt


@task
async def last_async(seconds: float) -> int:
    """Last so long, on the worker's loop, with signs of life; returns the attempt."""
    say(journal.START)
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        await asyncio.sleep(min(BEAT_EVERY, left))
        say(journal.BEAT)
    say(journal.END)
    return current_job().attempt


@task
def deafen(_path: Path) -> None:
    """Hold the interpreter in C for a minute or so, but when it is run again."""
    say(journal.START)
    if current_job().attempt == 1:
        sum(repeat(0, 5_000_000_000))
    say(journal.END)


@task
def wait_for(path: Path) -> int:
    """Run, in a child process, until a file exists; returns the attempt."""
    say(journal.START)
    while not path.exists():
        time.sleep(BEAT_EVERY)
        say(journal.BEAT)
    say(journal.END)
    return current_job().attempt


@task
async def wait_for_async(path: Path) -> int:
    """Run, on the worker's loop, until a file exists; returns the attempt."""
    say(journal.START)
    while not path.exists():
        await asyncio.sleep(BEAT_EVERY)
        say(journal.BEAT)
    say(journal.END)
    return current_job().attempt


@task(on_worker_lost="hold")
def delicate() -> None:
    """Do nothing, but not twice: a person decides when its worker is lost."""
    say(journal.START)
    say(journal.END)


@task(on_worker_lost="fail")
def precious() -> None:
    """Do nothing, but not twice: it fails when its worker is lost."""
    say(journal.START)
    say(journal.END)
