"""The record of every run that stands outside the system: one file, appended to.

The tasks themselves write it, each line by one write(2) with O_APPEND, which neither
kill -9 nor another writer can tear. The harness adds what it did to whom. This module
stands alone, so that a task costs what its line costs.
"""

from __future__ import annotations

import functools
import os
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain, takewhile
from pathlib import Path

#: The variables of the environment that name the files.
RUNS, ACCEPTED = "FAULTS_RUNS", "FAULTS_ACCEPTED"

#: What a task says of itself, and what the harness says that it did to a process.
START, BEAT, END = "start", "beat", "end"
KILLED, FROZEN, THAWED = "killed", "frozen", "thawed"

#: Seconds that the end of a run may take to reach Redis: a worker that dies before has
#: ended it in vain.
SETTLING = 1.0

#: Who a line is about when it is about no job.
NO_JOB = "-"


@functools.cache
def _opened(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)


def write(event: str, job: str = NO_JOB, attempt: int = 0, pid: int = 0) -> float:
    """Add a line about this process, or about `pid`; returns its monotonic time."""
    now = time.monotonic()
    line = f"{now:.6f} {time.time():.6f} {pid or os.getpid()} {event} {attempt} {job}\n"
    os.write(_opened(os.environ[RUNS]), line.encode())
    return now


def accept(job_ids: Iterable[str]) -> None:
    """Note jobs that the system said it had accepted."""
    text = "".join(f"{job_id}\n" for job_id in job_ids)
    os.write(_opened(os.environ[ACCEPTED]), text.encode())


@dataclass(frozen=True)
class Line:
    """One line: monotonic seconds, Unix seconds, and what happened to whom."""

    at: float
    wall: float
    pid: int
    event: str
    attempt: int
    job: str

    @classmethod
    def parse(cls, text: str) -> Line:
        at, wall, pid, event, attempt, job = text.split()
        return cls(float(at), float(wall), int(pid), event, int(attempt), job)


@dataclass
class Run:
    """One run of a job's code, as the code itself told it."""

    job: str
    attempt: int
    pid: int
    began: float
    #: None where the code did not come to its last line.
    ended: float | None = None
    #: When it last said anything, or was killed: it ran at least until then.
    seen: float = 0.0
    #: Whether its process was killed before the system can have heard of its end.
    was_killed: bool = False

    @property
    def until(self) -> float:
        return self.seen if self.ended is None else self.ended

    def note_kill(self, at: float) -> None:
        self.was_killed = self.ended is None or at - self.ended < SETTLING
        if self.ended is None:
            self.seen = max(self.seen, at)


@dataclass
class Journal:
    """All that was written so far; each `read_on` adds what has come since."""

    path: str
    lines: list[Line] = field(default_factory=list)
    _offset: int = 0

    @classmethod
    def of_environment(cls) -> Journal:
        return cls(os.environ[RUNS])

    def read_on(self) -> Journal:
        if os.path.exists(self.path):
            with open(self.path, "rb") as file:
                file.seek(self._offset)
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._offset += len(whole)
            self.lines += map(Line.parse, whole.decode().splitlines())
        return self

    def since(self, moment: float) -> list[Line]:
        """Return the lines from `moment` (monotonic) on, the last one first."""
        return list(takewhile(lambda line: line.at >= moment, reversed(self.lines)))

    def count(self, event: str) -> int:
        return sum(line.event == event for line in self.lines)

    def of(self, job: str, event: str) -> list[Line]:
        return [line for line in self.lines if line.job == job and line.event == event]

    def runs(self) -> dict[str, list[Run]]:
        """Return the runs of each job, by when they began."""
        runs: dict[str, list[Run]] = defaultdict(list)
        living: dict[int, dict[tuple[str, int], list[Run]]] = defaultdict(dict)
        for line in self.lines:
            attempt = (line.job, line.attempt)
            if line.event == START:
                run = Run(*attempt, line.pid, line.at, seen=line.at)
                runs[line.job].append(run)
                living[line.pid].setdefault(attempt, []).append(run)
            elif line.event in (BEAT, END):
                _note_word(living[line.pid].get(attempt, ()), line)
            elif line.event == KILLED:
                for run in chain(*living.pop(line.pid, {}).values()):
                    run.note_kill(line.at)
        return dict(runs)


def _note_word(runs: Iterable[Run], line: Line) -> None:
    """Note a word of those runs of an attempt that have not ended."""
    for run in runs:
        if run.ended is not None:
            continue
        run.seen = line.at
        if line.event == END:
            run.ended = line.at
            return  # a later run of the same attempt goes on


def accepted() -> set[str]:
    """Return the ids of all jobs that were accepted."""
    file = Path(os.environ[ACCEPTED])
    return set(file.read_text().split()) if file.exists() else set()
