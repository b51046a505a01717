"""A process of the system under test, and what can be done to it."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from benchmarks.faults import journal
from benchmarks.processes import Process, tree
from tasks.conf import PROJECT_ROOT
from tasks.process import die_with_parent

#: Seconds that a process may take to end when it is asked to.
GRACE = 30


@dataclass
class Program:
    """One process that the harness started, with the children it has made."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
    ) -> Self:
        """Start Python on `command`; it dies with this process."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=PROJECT_ROOT,
                env=environment,
                preexec_fn=functools.partial(die_with_parent, os.getpid()),
            )
        return cls(name, process, log)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def tree(self) -> list[Process]:
        """Return it and its descendants, itself first."""
        return tree(self.pid)

    def said(self) -> str:
        """Return the end of what it printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])

    def kill(self) -> float:
        """kill -9 it and all its descendants; returns when (monotonic)."""
        return self._kill(self.tree())

    def kill_alone(self) -> float:
        """kill -9 it, and leave its children to themselves; returns when (monotonic)."""
        return self._kill(self.tree()[:1])

    def _kill(self, victims: Sequence[Process]) -> float:
        at = kill_all(victims)
        self.process.wait()
        return at

    def freeze(self, *, with_children: bool = True) -> list[Process]:
        """SIGSTOP it, and its descendants; returns whom."""
        frozen = self.tree() if with_children else self.tree()[:1]
        _signal(frozen, signal.SIGSTOP)
        for each in frozen:
            journal.write(journal.FROZEN, pid=each.pid)
        return frozen

    def thaw(self, frozen: Sequence[Process]) -> None:
        """SIGCONT those that `freeze` returned."""
        for each in frozen:
            journal.write(journal.THAWED, pid=each.pid)
        _signal(frozen, signal.SIGCONT)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, grace: float = GRACE) -> int:
        """Ask it to end, as a deployment does; returns its exit code."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            return self.process.wait(grace)
        except subprocess.TimeoutExpired:
            _signal(self.tree(), signal.SIGKILL)
            return self.process.wait()


def kill_all(victims: Sequence[Process]) -> float:
    """kill -9 processes, and tell the journal; returns when the first was (monotonic)."""
    _signal(victims, signal.SIGKILL)
    # Told when it is done: what ended in between has ended.
    times = [journal.write(journal.KILLED, pid=victim.pid) for victim in victims]
    return times[0] if times else time.monotonic()


def _signal(processes: Sequence[Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)
