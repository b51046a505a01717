"""How the tasks behave: runs, failures and durations of the last day, bounded."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from tasks.models import Job, JobQuerySet
from tasks.states import ENDED, State

DAY = timedelta(hours=24)

#: How many jobs of the day the list of tasks counts, and how many it times.
JOBS_READ = 20_000
DURATIONS_READ = 3_000

#: The newest runs of one task from which its percentiles are made.
RUNS_READ = 1_000

#: Fewer runs than this say nothing about what is usual.
RUNS_NEEDED = 5

#: Ends that nobody asked for.
FAILURES = frozenset({State.FAILED, State.LOST, State.QUARANTINED})


@dataclass(frozen=True)
class TaskStats:
    """One task's last 24 hours; durations are of runs that finished."""

    runs: int = 0
    failures: int = 0
    p50: timedelta | None = None
    p95: timedelta | None = None


@dataclass(frozen=True)
class DayOfTasks:
    """All tasks' last 24 hours; `partial` where not all jobs were read."""

    tasks: Mapping[str, TaskStats]
    partial: bool = False

    def of(self, name: str) -> TaskStats:
        return self.tasks.get(name, TaskStats())


def read_day(now: datetime) -> DayOfTasks:
    """Return the statistics of every task of the last 24 hours, by two queries."""
    ended = Job.objects.ended_since(now - DAY)
    runs, failures = _count_runs(ended)
    finished = ended.in_state(State.FINISHED).order_by("-ended_at")
    durations: dict[str, list[timedelta]] = defaultdict(list)
    triples = finished.values_list("task", "started_at", "ended_at")
    for task, start, end in triples[:DURATIONS_READ]:
        if start and end:
            durations[task].append(end - start)
    stats = {
        task: _stats(runs[task], failures[task], durations.get(task, ()))
        for task in runs
    }
    return DayOfTasks(stats, partial=runs.total() >= JOBS_READ)


def _count_runs(ended: JobQuerySet) -> tuple[Counter[str], Counter[str]]:
    """Return how many jobs ran, and failed, by task; stop after JOBS_READ rows."""
    # An order would make the database sort the whole day first.
    some = ended.order_by().values("task", "state")[:JOBS_READ]
    table, parameters = some.query.sql_with_params()
    query = f"SELECT task, state, COUNT(*) FROM ({table}) AS s GROUP BY task, state"  # noqa: S608 - Django made the inner query
    runs: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        for task, state, number in cursor.fetchall():
            runs[task] += number
            failures[task] += number if state in FAILURES else 0
    return runs, failures


def read_task(name: str, now: datetime) -> TaskStats:
    """Return one task's statistics, from its newest runs of the last 24 hours."""
    jobs = Job.objects.filter(task=name, created_at__gte=now - DAY).in_state(*ENDED)
    rows = jobs.order_by("-created_at").values_list("state", "started_at", "ended_at")
    ended = list(rows[:RUNS_READ])
    failures = sum(state in FAILURES for state, _start, _end in ended)
    durations = [
        end - start
        for state, start, end in ended
        if state == State.FINISHED and start and end
    ]
    return _stats(len(ended), failures, durations)


def usual_duration(name: str, now: datetime) -> timedelta | None:
    """Return the p95 of a task's finished runs of the last day; None if too few."""
    finished = Job.objects.filter(task=name, created_at__gte=now - DAY)
    newest = finished.in_state(State.FINISHED).order_by("-created_at")
    pairs = newest.values_list("started_at", "ended_at")[:RUNS_READ]
    durations = sorted(end - start for start, end in pairs if start and end)
    return percentile(durations, 95) if len(durations) >= RUNS_NEEDED else None


def _stats(runs: int, failures: int, durations: Iterable[timedelta]) -> TaskStats:
    ordered = sorted(durations)
    return TaskStats(runs, failures, percentile(ordered, 50), percentile(ordered, 95))


def percentile(ordered: list[timedelta], part: int) -> timedelta | None:
    """Return the value that `part` of 100 do not exceed (nearest rank)."""
    return ordered[-(-len(ordered) * part // 100) - 1] if ordered else None
