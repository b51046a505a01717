"""Tasks that tests run; TASKYARD_TASKS names this module."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tasks import current_job, submit, task

logger = logging.getLogger(__name__)


@task
def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


@task
def halve(number: float) -> float:
    """Take a number that JSON may not have."""
    return number / 2


@task
async def add_async(a: int, b: int = 2) -> int:
    """Add two numbers on the loop."""
    return a + b


@task(name="greet", queue="emails", tags=["mail"], timeout=30)
def greet(name: str, *, loudly: bool = False) -> str:
    """Greet somebody."""
    logger.info("greeting %s", name)
    return f"HELLO {name}" if loudly else f"hello {name}"


@task
def fail(text: str = "no luck") -> None:
    """Raise a ValueError."""
    raise ValueError(text)


@task(retries=2, backoff=0.05)
def flaky(path: Path) -> str:
    """Fail until its file exists."""
    if path.exists():
        return "there"
    raise FileNotFoundError(path)


@task(retries=2, backoff=0.05, breaker=5)
def lean(path: Path) -> str:
    """Fail until what it leans on exists, its file."""
    return flaky(path)


@task(retries=2, backoff=0.05, breaker=5)
async def lean_async(path: Path) -> str:
    """Fail on the loop until its file exists."""
    return flaky(path)


@task
def crash() -> None:
    """Kill its own process with -9."""
    os.kill(os.getpid(), signal.SIGKILL)


@task
def wait_for(path: Path) -> str:
    """Run until a file exists, so that a test decides when it ends."""
    current_job().progress(1, 4, "waiting")
    while not path.exists():
        time.sleep(0.01)
    return "seen"


@task
async def wait_for_async(path: Path) -> str:
    """Run on the loop until a file exists."""
    current_job().progress(1, 4, "waiting")
    while not path.exists():
        await asyncio.sleep(0.01)
    return "seen"


@task
def leave() -> None:
    """Leave as a script would."""
    sys.exit(2)


@task
def exit_hard() -> None:
    """End its own process with an exit code."""
    os._exit(3)


@task
def own_pid() -> int:
    """Say which process runs this."""
    return os.getpid()


@task
def own_parents() -> list[int]:
    """Say which process runs this, its parent, and the parent of that."""
    stat = Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2]
    return [os.getpid(), os.getppid(), int(stat.split()[1])]


@task
async def own_pid_async() -> int:
    """Say which process runs this coroutine."""
    return os.getpid()


@task
def kill_parent() -> None:
    """Kill the process that started this one with -9, and die with it."""
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(3600)


@task
async def kill_self_async() -> None:
    """Kill the process that runs this coroutine with -9."""
    os.kill(os.getpid(), signal.SIGKILL)


@task
def sleep_long() -> None:
    """Sleep for an hour."""
    time.sleep(3600)


@task
def stubborn() -> None:
    """Go on after its timeout was raised."""
    while True:
        try:
            time.sleep(3600)
        except Exception:
            logger.info("not yet")


@task
def start_process(path: Path) -> None:
    """Start a program, write its id into a file and wait for it."""
    with subprocess.Popen(["sleep", "3600"]) as process:
        path.write_text(str(process.pid))


@task
async def exit_async() -> None:
    """Leave as a script would, on the loop."""
    sys.exit(2)


@task
async def interrupt_async() -> None:
    """Raise what Ctrl-C raises."""
    raise KeyboardInterrupt


@task
async def time_out_async() -> None:
    """Fail by a timeout of its own."""
    async with asyncio.timeout(0):
        await asyncio.sleep(3600)


@task
async def submit_async(number: int) -> None:
    """Submit another job from the loop."""
    submit(add_async, [number])


@task
def submit_sync(number: int) -> None:
    """Submit another job from a child."""
    submit(add, [number])


@task
def crash_once(path: Path) -> str:
    """Kill its own process with -9 the first time."""
    if path.exists():
        return "there"
    path.touch()
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


@task
def note(path: Path) -> None:
    """Write its job's id on a line of its own."""
    with path.open("a") as file:
        file.write(f"{current_job().id}\n")


@task
async def note_async(path: Path) -> None:
    """Write its job's id on a line of its own, from the loop."""
    with path.open("a") as file:
        file.write(f"{current_job().id}\n")


class Strange(BaseException):
    """No Exception, so that few would catch it."""


@task
def raise_strangely() -> None:
    """Raise what is no Exception."""
    raise Strange("odd")


@task
async def raise_strangely_async() -> None:
    """Raise what is no Exception, on the loop."""
    raise Strange("odd")


@task
def say_half_a_surrogate() -> None:
    """Say, log and raise text that UTF-8 cannot hold."""
    print("half \ud83d")  # noqa: T201
    logger.warning("half \ud83d")
    current_job().progress(1, 2, "half \ud83d")
    raise ValueError("half \ud83d")


@task
async def say_half_a_surrogate_async() -> None:
    """Say, log and raise text that UTF-8 cannot hold, on the loop."""
    logger.warning("half \ud83d")
    current_job().progress(1, 2, "half \ud83d")
    raise ValueError("half \ud83d")


@task
def print_without_end(megabytes: int) -> None:
    """Print much and never end the line."""
    for _ in range(megabytes):
        print("x" * 1_000_000, end="")  # noqa: T201


@task
async def block(seconds: float) -> str:
    """Compute on the loop, where a coroutine should wait."""
    time.sleep(seconds)
    return "at last"
