"""The Python programs that a worker starts, and how they end."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Protocol

from tasks import stored_words
from tasks.conf import PROJECT_ROOT


class Process(Protocol):
    """A process that runs, or did."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    async def wait(self) -> int: ...


async def execute(module: str, *descriptors: int) -> Process:
    """Start one of our modules in a session of its own.

    Its arguments are the descriptors, which it inherits, and this process's id. Raises
    OSError.
    """
    # -P: a tasks.py in the working folder must not hide ours.
    program = [sys.executable, "-P", "-m", module]
    return await asyncio.create_subprocess_exec(
        *program,
        *map(str, descriptors),
        str(os.getpid()),
        pass_fds=descriptors,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": _python_path()},
    )


def _python_path() -> str:
    known = os.environ.get("PYTHONPATH")
    return f"{PROJECT_ROOT}{os.pathsep}{known}" if known else str(PROJECT_ROOT)


def death(code: int) -> str:
    """Say in words how a process ended."""
    if code < 0:
        name = signal.Signals(-code).name
        return stored_words.ENDED_BY_SIGNAL % {"number": -code, "name": name}
    return stored_words.ENDED_WITH_CODE % {"code": code}
