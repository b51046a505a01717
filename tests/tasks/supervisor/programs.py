"""Tiny real processes for the supervisor's tests."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasks.supervisor.program import Program

#: Ends with code 0 on SIGTERM, after it noted that in a file and said so.
POLITE = """
import signal, sys, pathlib
def end(*_):
    with open(sys.argv[1], "a") as log:
        log.write(sys.argv[2] + "\\n")
    print("bye", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True:
    signal.pause()
"""

#: Takes no notice of SIGTERM.
STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
while True:
    signal.pause()
"""


def program(name: str, code: str, *words: object, **options: Any) -> Program:
    command = (sys.executable, "-c", code, *map(str, words))
    return Program(name, command, **options)


def polite(name: str, log: Path, **options: Any) -> Program:
    return program(name, POLITE, log, name, **options)


class Screen(io.StringIO):
    """What a console wrote, asked for until it appears."""

    def has(self, text: str) -> bool:
        return text in self.getvalue()


async def until(predicate: Callable[[], object], timeout: float = 10) -> None:
    async with asyncio.timeout(timeout):
        while not predicate():
            await asyncio.sleep(0.01)


def is_gone(pid: int) -> bool:
    """Say whether the process ended; who collects orphans may leave it a zombie."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        )
    except (FileNotFoundError, ProcessLookupError):
        return True
