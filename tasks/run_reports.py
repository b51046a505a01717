"""The jobs that run now and those whose moment comes next, for the overview."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tasks.board import Board
from tasks.broker.snapshot import Progress, parse_progress, read_progress
from tasks.errors import BrokerUnavailable
from tasks.models import Job
from tasks.reports import live_workers
from tasks.states import State
from tasks.task_reports import usual_duration

#: Rows that each of the two tables shows.
RUNNING_ROWS = 20
NEXT_ROWS = 10

#: Seconds for which a task's usual duration is taken as known.
USUAL_FOR = 30.0


@dataclass(frozen=True)
class RunningRow:
    """A job that runs now, beside what is usual for its task."""

    job: Job
    progress: Progress | None
    running_for: timedelta | None
    usual: timedelta | None

    @property
    def is_slow(self) -> bool:
        return bool(self.usual and self.running_for and self.running_for > self.usual)


@dataclass(frozen=True)
class NextRow:
    """A job that waits for its time, and the workers that can take it."""

    job: Job
    workers: tuple[str, ...]


def read_running(board: Board, now: datetime) -> list[RunningRow]:
    """Return the jobs that have run longest, with their live progress."""
    jobs = list(Job.objects.running().order_by("started_at")[:RUNNING_ROWS])
    live = _live_progress(jobs, board)
    return [
        RunningRow(
            job=job,
            progress=live.get(job.id) or parse_progress(job.progress or ""),
            running_for=now - job.started_at if job.started_at else None,
            usual=_usual(job.task, now),
        )
        for job in jobs
    ]


def _live_progress(jobs: Sequence[Job], board: Board) -> Mapping[str, Progress]:
    if board.outage or not jobs:
        return {}
    try:
        return read_progress([job.id for job in jobs])
    except BrokerUnavailable:
        return {}


_known_usual: dict[str, tuple[float, timedelta | None]] = {}


def forget_usual() -> None:
    """Read the usual durations anew at the next question."""
    _known_usual.clear()


def _usual(task: str, now: datetime) -> timedelta | None:
    """Return a task's p95, read from the ledger at most every USUAL_FOR seconds."""
    read_at, usual = _known_usual.get(task, (float("-inf"), None))
    if time.monotonic() - read_at > USUAL_FOR:
        usual = usual_duration(task, now)
        _known_usual[task] = (time.monotonic(), usual)
    return usual


def read_next(board: Board) -> list[NextRow]:
    """Return the delayed jobs that come first."""
    due = Job.objects.in_state(State.SCHEDULED).filter(due_at__isnull=False)
    live = live_workers(board.snapshot) if board.snapshot else []
    return [
        NextRow(job, tuple(w.name for w in live if job.queue in w.queues))
        for job in due.order_by("due_at")[:NEXT_ROWS]
    ]
