"""Wall clocks that are wrong, and that jump, for some processes only.

    clock = WallClock(yard.data, "fast")
    clock.set(+90)
    yard.manage("scheduler", **clock.environment)
    clock.set(-3600)  # it jumps, while the process runs

A small library (wall_clock.c, built here by `cc`) stands before the C library of a
process, so all of it sees the other time: Python, its extensions, SQLite, its children.
Redis itself can be started so too. What is patched in Python would reach less.
"""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

SOURCE = Path(__file__).with_name("wall_clock.c")

#: Seconds by which the time that a process is shown may miss what was asked: it is read
#: a little later.
NEAR = 5.0

#: Says what time it is, and how long a wait of 0.2 s took: locks must not see the clock.
_PROOF = """
import threading, time
began = time.monotonic()
threading.Event().wait(0.2)
print(time.time(), time.monotonic() - began)
"""


class WallClock:
    """The clock of those processes that are started with its `environment`."""

    def __init__(self, folder: Path, name: str) -> None:
        file = folder / f"{name}.clock"
        file.write_bytes(bytes(8))
        with file.open("r+b") as opened:
            self._page = mmap.mmap(opened.fileno(), 8)
        self.environment = {
            "LD_PRELOAD": str(_library(folder)),
            "FAULTS_CLOCK": str(file),
        }
        self._prove()

    def set(self, seconds_ahead: int) -> None:
        """Have it go so much before the machine's; it jumps there at once."""
        self._page[:8] = struct.pack("=q", seconds_ahead)

    def _prove(self) -> None:
        """Raise RuntimeError where a process would not see it, or could not wait."""
        self.set(3_600)
        words = [sys.executable, "-c", _PROOF]
        said = subprocess.run(
            words, capture_output=True, text=True, env=self.environment, check=True
        ).stdout.split()
        error = float(said[0]) - time.time() - 3_600
        self.set(0)
        if abs(error) > NEAR or not 0.2 <= float(said[1]) < NEAR:
            raise RuntimeError(f"this machine's clocks cannot be shifted: {said}")


def _library(folder: Path) -> Path:
    """Build the library, once for each folder; returns its path."""
    path = folder / "wall_clock.so"
    if path.exists():
        return path
    compiler = shutil.which("cc")
    if compiler is None:
        raise RuntimeError("apt-get install gcc libc6-dev")
    words = (compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Werror", str(SOURCE))
    done = subprocess.run(
        [*words, "-o", str(path)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"cc: {done.stderr}")
    return path
