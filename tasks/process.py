"""What every process of ours does first."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from functools import cache
from pathlib import Path

#: The variable in which a supervisor names the start of a process.
START = "TASKYARD_START"

_PR_SET_PDEATHSIG = 1

# Loaded here, so that nothing is imported or looked up between fork and exec.
_prctl = ctypes.CDLL(None).prctl if sys.platform.startswith("linux") else None


def die_with_parent(parent: int | None = None) -> None:
    """Have the kernel kill this process when its parent ends, however it ends.

    `parent` is the parent's id where the caller knew it before the fork: then a parent
    that is gone by now is noticed too. Linux only (prctl(2)); elsewhere a child notices
    by its closed pipe. The kernel watches the parent's *thread* that forked.
    """
    if _prctl is None:
        return
    parent = parent or os.getppid()
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent ended before the call
        os._exit(1)


def die_when_memory_ends() -> None:
    """Have the kernel kill this process, not its worker or Redis, when memory is short."""
    with contextlib.suppress(OSError):  # there is no /proc
        Path("/proc/self/oom_score_adj").write_text("500")


@cache
def own_start() -> str:
    """Return the name that a supervisor gave this start of this process, "" without one.

    Ids of processes come again, and hosts of one name are many: this is nobody else's.
    What the process starts does not inherit it.
    """
    return os.environ.pop(START, "")


def see_working_folder() -> None:
    """Let modules of the working folder be imported; it stands last, so it hides nothing."""
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.append(folder)
