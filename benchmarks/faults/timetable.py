"""Schedules whose due moments the harness counts itself, and what became of each."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from benchmarks.faults import jobs, journal
from benchmarks.faults.journal import Journal, Line
from tasks.policy import CODE

#: Seconds that a moment may be late and still run: how late it is, is a figure of its own.
GRACE = 3_600

#: How long before they are due schedules must be made.
NEARLY = timedelta(seconds=1)

#: A schedule's name and one of its due moments.
Moment = tuple[str, datetime]


@dataclass(frozen=True)
class Timetable:
    """Schedules that are due at the same moments, so often and no more."""

    names: Sequence[str]
    first_at: datetime
    every: timedelta
    count: int

    @property
    def last_at(self) -> datetime:
        return self.first_at + (self.count - 1) * self.every

    @property
    def moments(self) -> set[Moment]:
        """All that is due, whatever the system says."""
        return {
            (name, self.first_at + number * self.every)
            for name in self.names
            for number in range(self.count)
        }

    @classmethod
    def begin(
        cls, names: Sequence[str], every: timedelta, count: int, *, lead: float
    ) -> Timetable:
        """Make schedules that are due first in so many seconds, or later on a machine that
        needs longer to make them.
        """
        while not (made := cls(names, soon(lead), every, count)).declare():
            lead *= 2
        return made

    def declare(self) -> bool:
        """Make the schedules, by the door that people use.

        Returns False, and makes none, where that takes until they are due.
        """
        from django.db import transaction  # once Django is set up

        times = {"starts_at": self.first_at, "ends_at": self.last_at, "grace": GRACE}
        with transaction.atomic():
            for name in self.names:
                declare(name, every=self.every.total_seconds(), **times)
            in_time = datetime.now(UTC) < self.first_at - NEARLY
            transaction.set_rollback(not in_time)
        return in_time


def declare(name: str, **values: object) -> None:
    """Make one schedule that does nothing in intervals."""
    from tasks.schedules import definitions  # once Django is set up

    call = {"task": jobs.tick.task.name, "kwargs": {"schedule": name}}
    definitions.create(CODE, name, {"kind": "every", **call, **values})


def soon(seconds: float) -> datetime:
    """Return the next full second that is at least so far away."""
    at = datetime.now(UTC) + timedelta(seconds=seconds + 1)
    return at.replace(microsecond=0)


@dataclass(frozen=True)
class Kept:
    """How a timetable was kept to."""

    due: set[Moment]
    #: When each moment's job was first started, in Unix seconds by the machine's clock.
    started: Mapping[Moment, float]
    #: First attempts of the schedules' jobs, whether they belong to a moment or not.
    runs: int

    @classmethod
    def read(cls, found: Journal, timetables: Iterable[Timetable]) -> Kept:
        """Return what became of all moments, by the jobs themselves and the ledger."""
        due = {moment for timetable in timetables for moment in timetable.moments}
        names = {name for name, _at in due}
        begun = first_attempts(found)
        started = {
            moment: wall_time(min(line.at for line in begun[job]))
            for moment, job in jobs_of_moments(names).items()
            if job in begun
        }
        runs = sum(len(begun.get(job, ())) for job in jobs_of_schedules(names))
        return cls(due, started, runs)

    @property
    def missed(self) -> int:
        return len(self.due - self.started.keys())

    @property
    def doubled(self) -> int:
        return self.runs - len(self.due & self.started.keys())

    @property
    def lateness(self) -> dict[Moment, float]:
        """Return the seconds from each moment to the start of its job."""
        return {
            moment: at - moment[1].timestamp() for moment, at in self.started.items()
        }


def first_attempts(found: Journal) -> Mapping[str, Sequence[Line]]:
    """Return the starts of each job's first attempt; others follow a worker's death."""
    begun: dict[str, list[Line]] = defaultdict(list)
    for line in found.lines:
        if line.event == journal.START and line.attempt == 1:
            begun[line.job].append(line)
    return begun


def wall_time(monotonic: float) -> float:
    """Return a moment of the journal by this process's clock; others' may be wrong."""
    return monotonic + time.time() - time.monotonic()


def jobs_of_moments(names: Iterable[str]) -> dict[Moment, str]:
    """Return the job of each moment, as the ledger has it."""
    from tasks.models import Fire

    fires = Fire.objects.submitted().filter(schedule__name__in=names, backfill=None)
    columns = fires.order_by().values_list("schedule__name", "due_at", "job_key")
    return {(name, due_at): job for name, due_at, job in columns}


def jobs_of_schedules(names: Iterable[str]) -> list[str]:
    """Return all jobs that schedules submitted, by what the jobs themselves are told."""
    from tasks.models import Job

    known, ticks = set(names), Job.objects.filter(task=jobs.tick.task.name)
    told = ticks.order_by().values_list("pk", "kwargs")
    return [job for job, kwargs in told.iterator() if kwargs.get("schedule") in known]


def accept_all() -> None:
    """Note the jobs that came of schedules as accepted: each must be there and end."""
    from tasks.models import Fire

    keys = Fire.objects.exclude(job_key="").order_by().values_list("job_key", flat=True)
    journal.accept(set(keys.iterator()) - journal.accepted())
