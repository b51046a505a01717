"""What processes cost, read from Linux's /proc."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")

# Fields of /proc/<pid>/stat, counted after the name.
_PARENT, _TIMES, _STARTED = 1, slice(11, 15), 19


@dataclass(frozen=True)
class Process:
    """One process; its start tells it from a later one of the same number."""

    pid: int
    started: str

    @property
    def is_alive(self) -> bool:
        fields = _stat(self.pid)
        return bool(fields) and fields[_STARTED] == self.started

    def cpu(self) -> float:
        """Return the CPU seconds of it and of its children that have ended."""
        fields = _stat(self.pid)
        return sum(map(int, fields[_TIMES])) / _TICK if fields else 0.0

    def memory(self) -> int:
        """Return its bytes in RAM."""
        return self._bytes("status", "VmRSS")

    def own_memory(self) -> int:
        """Return its bytes in RAM that no file backs: not the file of the marks."""
        return self._bytes("status", "RssAnon")

    def peak(self) -> int:
        """Return the most bytes that it ever had in RAM."""
        return self._bytes("status", "VmHWM")

    def share(self) -> int:
        """Return its bytes in RAM, its part of what several processes map."""
        return self._bytes("smaps_rollup", "Pss")

    def _bytes(self, file: str, name: str) -> int:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self.pid}/{file}").read_text().splitlines():
                if line.startswith(f"{name}:"):
                    return int(line.split()[1]) * 1024
        return 0


def tree(pid: int) -> list[Process]:
    """Return a process and all of its descendants, itself first."""
    stats = {
        int(entry.name): _stat(int(entry.name))
        for entry in Path("/proc").glob("[0-9]*")
    }
    found = [pid] if stats.get(pid) else []
    for parent in found:  # it grows meanwhile
        found += [
            child for child, s in stats.items() if s and int(s[_PARENT]) == parent
        ]
    return [Process(number, stats[number][_STARTED]) for number in found]


def cpu_of(processes: Iterable[Process]) -> float:
    return sum(process.cpu() for process in processes)


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
