"""Tasks that tests run; TASKYARD_TASKS names this module."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from pathlib import Path

from tasks import current_job, task

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
