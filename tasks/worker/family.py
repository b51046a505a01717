"""A process and all that descend from it, as /proc tells: what they hold, and their end.

Where there is no /proc a process has no family.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal


def family_of(pid: int) -> list[int]:
    """Return a process and what it started, and so on, whatever group each is in."""
    found, seen = [pid], {pid}
    for member in found:  # it grows
        new = [child for child in _children(member) if child not in seen]
        found += new
        seen.update(new)
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                children += map(int, file.read().split())
    return children


def kill_family(pid: int) -> None:
    """Kill a process that leads a group, its group, and all that descend from it."""
    descendants = family_of(pid)[1:]
    kill_group(pid)
    for member in descendants:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(member, signal.SIGKILL)


def kill_group(pid: int) -> None:
    """Kill what is left of the group that a process led."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def excess_of(pid: int, limit: int) -> int:
    """Return the bytes that a process and its family hold, 0 where within `limit`.

    Pages that several of them share count once, which takes a second, slower look.
    """
    members = family_of(pid)
    held = sum(map(resident_bytes, members))
    if held > limit and len(members) > 1:
        held = sum(map(_proportional_bytes, members))
    return held if held > limit else 0


def resident_bytes(pid: int | str = "self") -> int:
    """Return a process's resident memory; 0 where /proc does not tell."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _proportional_bytes(pid: int) -> int:
    """Return a process's memory, its part of each shared page."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            found = re.search(r"^Pss:\s+(\d+) kB", file.read(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0
