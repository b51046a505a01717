"""Tasks that do what no task should; TASKYARD_TASKS names this module where they run."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

from tasks import current_job, task
from tests.sample import exit_async, interrupt_async

logger = logging.getLogger(__name__)


@task
def give_object() -> object:
    """Return what JSON has no word for."""
    return object()


@task
def give_itself() -> list[object]:
    """Return a list that contains itself."""
    value: list[object] = []
    value.append(value)
    return value


@task
async def give_itself_async() -> list[object]:
    """Return a list that contains itself, from the loop."""
    return give_itself()


@task
def give_half_a_surrogate() -> str:
    """Return text that UTF-8 cannot hold."""
    return "half \ud83d\0"


@task
def give_no_number() -> float:
    """Return what is no number, which JSON does not have but RQ keeps."""
    return float("nan")


@task
def give_megabytes(megabytes: int) -> str:
    """Return much."""
    return "x" * (megabytes * 1024 * 1024)


@task
async def give_megabytes_async(megabytes: int) -> str:
    """Return much, from the loop."""
    return give_megabytes(megabytes)


@task
async def refuse_to_end(path: Path) -> str:
    """Catch every cancellation and go on until a file exists."""
    while not path.exists():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.01)
    return "at last"


@task
async def exit_in_task() -> None:
    """Leave as a script would, from a task that the coroutine started."""
    await asyncio.gather(exit_async())


@task
async def interrupt_in_task() -> None:
    """Raise what Ctrl-C raises, in a task that the coroutine started."""
    await asyncio.gather(interrupt_async())


@task
async def stop_the_loop() -> str:
    """Stop the loop that it runs on."""
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0)
    return "went on"


@task
def fork_and_return() -> str:
    """Fork a process that forgets to leave."""
    return "copy" if os.fork() == 0 else "original"


def note_result(job: Any, connection: Any, result: object) -> None:
    """Be called back with a job's result, and write it down."""
    connection.rpush("results", str(result))


@task
def fork_a_waiter(path: Path, *, crash: bool = False) -> int:
    """Leave a process behind that waits for a file; return its id.

    It speaks before it deletes the file and ends.
    """
    child = os.fork()
    if child == 0:
        while not path.exists():
            time.sleep(0.01)
        logger.info("speaking for nobody")
        current_job().progress(1, 1, "nothing")
        path.unlink()
        os._exit(0)
    if crash:
        os.kill(os.getpid(), signal.SIGKILL)
    return child


@task
def fork_and_wait(path: Path) -> None:
    """Leave a process of a process behind, write its id into a file, and sleep."""
    if os.fork() == 0:
        if os.fork() == 0:
            path.write_text(str(os.getpid()))
            time.sleep(3600)
        os._exit(0)
    time.sleep(3600)


@task
def share_among_processes() -> int:
    """Have two processes of its own do the work, which print and log."""
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return sum(pool.map(_square, range(10)))


def _square(number: int) -> int:
    print("squaring")  # noqa: T201
    logger.info("squaring %s", number)
    current_job().progress(number, 10)
    return number * number


_kept: list[bytes] = []


@task
def leak(megabytes: int) -> int:
    """Keep memory; return the id of the process that holds it."""
    _kept.append(b"x" * (megabytes * 1024 * 1024))
    return os.getpid()


@task
def rest(seconds: float) -> str:
    """Sleep in a child."""
    time.sleep(seconds)
    return "rested"


@task
async def keep_the_loop(seconds: float) -> str:
    """Compute on the loop, where a coroutine should wait."""
    time.sleep(seconds)
    return "at last"
