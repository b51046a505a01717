"""Where jobs leave their marks: a file in shared memory.

It costs no Redis traffic and survives forks and threads, and every peer's job has the
same body. This module stands alone, for a stock worker's forks import it anew each time,
and what else it imported would count as the fork's time.

Each job has a slot by its number: when it was due, began and ended (seconds of
time.time()), how often it was run, and one byte that says that it was.
"""

from __future__ import annotations

import asyncio
import functools
import mmap
import os
import time
from pathlib import Path

#: The variable of the environment that names the file.
FILE = "BENCHMARK_MARKS"

#: Jobs that one measure may number.
SLOTS = 1_100_000

DUE, BEGUN, ENDED, RUNS = range(4)

_TIMES = SLOTS * 32


def make(path: Path) -> Path:
    """Make the file, empty; it takes disk only as slots are used."""
    with path.open("wb") as file:
        file.truncate(_TIMES + SLOTS)
    return path


class Marks:
    """The marks of all jobs of this benchmark."""

    def __init__(self, path: str) -> None:
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), _TIMES + SLOTS)
        view = memoryview(self._map)
        self.times: memoryview[float] = view[:_TIMES].cast("d")
        self.flags = view[_TIMES:]

    def clear(self, first: int, last: int) -> None:
        """Forget the jobs from `first` up to `last`."""
        count = last - first
        self.times[4 * first : 4 * last] = memoryview(bytes(32 * count)).cast("d")
        self.flags[first:last] = bytes(count)

    def ran(self, first: int, last: int) -> int:
        """Return how many of the jobs from `first` up to `last` were run."""
        flags = self._map[_TIMES + first : _TIMES + last]
        return last - first - flags.count(0)

    def column(self, which: int, first: int, last: int) -> list[float]:
        """Return one time of each of the jobs from `first` up to `last`."""
        times: list[float] = self.times[
            4 * first + which : 4 * last + which : 4
        ].tolist()  # type: ignore[assignment]
        return times


@functools.cache
def opened() -> Marks:
    """Return the marks of this process."""
    return Marks(os.environ[FILE])


# The bodies of all jobs.


def mark(number: int) -> None:
    """Do nothing but say that the job ran."""
    marks = opened()
    marks.times[4 * number + RUNS] += 1
    marks.flags[number] = 1


def note(number: int) -> None:
    """Say when the job's first line ran."""
    opened().times[4 * number + BEGUN] = time.time()
    mark(number)


async def doze(number: int, seconds: float) -> None:
    """Sleep, and say when that began and ended."""
    note(number)
    await asyncio.sleep(seconds)
    opened().times[4 * number + ENDED] = time.time()
