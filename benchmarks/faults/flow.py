"""Jobs that come at a steady rate beside whatever a scenario does, and their delays."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from benchmarks.faults import journal
from benchmarks.faults.catalog import QUIET_WITHIN, Trial
from benchmarks.faults.journal import Journal
from benchmarks.faults.runner import wait_for_quiet
from benchmarks.faults.yard import Yard
from tasks.registry import Call

#: Seconds between two submissions; each carries what has come due.
TICK = 0.05


@dataclass
class Flow:
    """Submits calls from a thread of its own, from `with` until the block ends.

    Raises at the end what a submission raised: none may be refused.
    """

    yard: Yard
    #: Returns the call of a number, counted from 0.
    make: Callable[[int], Call]
    per_second: float
    #: How many at most, None for any number.
    most: int | None = None
    #: When each job was about to be submitted, in seconds of time.time().
    asked: dict[str, float] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)
    _error: Exception | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._over.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        from django.db import connections

        try:
            self._submit()
        except Exception as error:
            self._error = error
        finally:
            connections.close_all()

    def _submit(self) -> None:
        began, number = time.monotonic(), 0
        while not self._over.wait(TICK):
            due = int((time.monotonic() - began) * self.per_second)
            due = due if self.most is None else min(due, self.most)
            now, calls = time.time(), [self.make(n) for n in range(number, due)]
            self.asked |= dict.fromkeys(self.yard.submit(calls), now)
            number = due


def delays(found: Journal, asked: Mapping[str, float]) -> list[float]:
    """Return the seconds from each submission to the first start of its job."""
    first: dict[str, float] = {}
    for line in found.lines:
        if line.event == journal.START:
            first.setdefault(line.job, line.wall)
    return [first[job] - at for job, at in asked.items() if job in first]


def starts(found: Journal, jobs: Iterable[str]) -> dict[str, int]:
    """Return how often each of the jobs was started."""
    counts = dict.fromkeys(jobs, 0)
    for line in found.lines:
        if line.event == journal.START and line.job in counts:
            counts[line.job] += 1
    return counts


def ask_for_all_runs(trial: Trial, within: float = QUIET_WITHIN) -> None:
    """Wait for quiet, and ask that the code of every accepted job came to its end."""
    wait_for_quiet(trial.yard, within)
    lines = trial.yard.journal().lines
    ran = {line.job for line in lines if line.event == journal.END}
    never = len(journal.accepted() - ran)
    trial.ask("accepted jobs that never ran to their end", "≤", 0, never)


def ask_of_speed(
    trial: Trial, what: str, relation: str, asked: float, reached: float, unit: str
) -> None:
    """Ask for a figure of speed; the short form is too short for one, and notes it."""
    if trial.short:
        trial.facts[f"{what}, {unit}"] = reached
    else:
        trial.ask(what, relation, asked, reached, unit)


def seconds_until(is_so: Callable[[], bool], most: float) -> float:
    """Return how long it took to come true; `most` where it did not."""
    began = time.monotonic()
    while not is_so() and time.monotonic() - began < most:
        time.sleep(0.05)
    return min(time.monotonic() - began, most)
