"""What may need a person: facts only.

The sentence, link and button of each are in the template named for its class,
`dashboard/overview/concerns/<kind>.html`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

from tasks.broker.workers import WorkerInfo
from tasks.loss_reports import LostWorker
from tasks.models import Job, Pause


@dataclass(frozen=True)
class Concern:
    """Something that needs a person, at once where `is_bad`."""

    kind: ClassVar[str]
    is_bad: ClassVar[bool] = True
    icon: ClassVar[str] = "cross"

    @property
    def template(self) -> str:
        return f"dashboard/overview/concerns/{self.kind}.html"


@dataclass(frozen=True)
class WorkerLost(Concern):
    kind = "worker_lost"
    icon = "lost"
    loss: LostWorker
    silent_for: timedelta | None


@dataclass(frozen=True)
class WorkersGone(Concern):
    """Workers that were lost, and whose jobs need nobody any more."""

    kind = "workers_gone"
    is_bad = False
    icon = "lost"
    workers: int


@dataclass(frozen=True)
class DataLost(Concern):
    kind = "data_lost"
    since: datetime


@dataclass(frozen=True)
class JobsQuarantined(Concern):
    kind = "jobs_quarantined"
    icon = "shield"
    jobs: int


@dataclass(frozen=True)
class JobsHeld(Concern):
    kind = "jobs_held"
    icon = "lost"
    jobs: int


@dataclass(frozen=True)
class ResultsSpooled(Concern):
    kind = "results_spooled"
    icon = "warn"
    workers: int
    folder: Path


@dataclass(frozen=True)
class LoopBlocked(Concern):
    kind = "loop_blocked"
    icon = "clock"
    worker: WorkerInfo
    blocked_for: timedelta
    job: Job | None


@dataclass(frozen=True)
class NoWorker(Concern):
    kind = "no_worker"
    icon = "ring"
    waiting: int


@dataclass(frozen=True)
class QueueUnserved(Concern):
    kind = "queue_unserved"
    icon = "ring"
    queues: tuple[str, ...]
    waiting: int
    oldest: timedelta


@dataclass(frozen=True)
class ProcessMissing(Concern):
    kind = "process_missing"
    process: str


@dataclass(frozen=True)
class TaskFailing(Concern):
    kind = "task_failing"
    task: str
    failures: int
    runs: int
    error: str


@dataclass(frozen=True)
class BreakerOpen(Concern):
    kind = "breaker_open"
    icon = "pause"
    task: str
    workers: tuple[str, ...]
    #: In a row, on the worker that has seen most.
    failures: int
    #: Jobs that wait for the moments at which they are looked at again.
    held: int
    open_for: timedelta
    every: timedelta


@dataclass(frozen=True)
class LongWait(Concern):
    kind = "long_wait"
    icon = "clock"
    queue: str
    wait: timedelta
    waiting: int


@dataclass(frozen=True)
class MemoryShort(Concern):
    kind = "memory_short"
    icon = "warn"
    used: int
    limit: int


@dataclass(frozen=True)
class EvictionOn(Concern):
    kind = "eviction_on"
    icon = "warn"
    policy: str


@dataclass(frozen=True)
class ScheduleOverdue(Concern):
    """Schedules whose moment has passed without a decision, and the first of them."""

    kind = "schedule_overdue"
    icon = "clock"
    name: str
    schedules: int
    overdue_for: timedelta


@dataclass(frozen=True)
class ScheduleRefused(Concern):
    """A schedule of which no job came since a moment, and why the last was refused."""

    kind = "schedule_refused"
    icon = "warn"
    name: str
    moments: int
    since: datetime
    reason: str


@dataclass(frozen=True)
class SchedulesUnserved(Concern):
    """Schedules whose queue no live worker takes; nothing waits there yet."""

    kind = "schedules_unserved"
    is_bad = False
    icon = "ring"
    queue: str
    schedules: int
    #: One of them, and when the first of their jobs comes.
    name: str
    next_at: datetime

    def with_others(self, other: SchedulesUnserved) -> SchedulesUnserved:
        first = min(self, other, key=lambda one: one.next_at)
        return replace(first, schedules=self.schedules + other.schedules)


@dataclass(frozen=True)
class LogStuck(Concern):
    kind = "log_stuck"


@dataclass(frozen=True)
class ClockWrong(Concern):
    kind = "clock_wrong"
    is_bad = False
    icon = "clock"
    host: str
    #: By how much its clock and that of Redis differ.
    apart: timedelta
    is_ahead: bool


@dataclass(frozen=True)
class LogOff(Concern):
    kind = "log_off"
    is_bad = False
    icon = "warn"


@dataclass(frozen=True)
class WorkerQuiet(Concern):
    kind = "worker_quiet"
    is_bad = False
    icon = "pause"
    worker: WorkerInfo
    quiet_for: timedelta


@dataclass(frozen=True)
class RecorderBehind(Concern):
    kind = "recorder_behind"
    is_bad = False
    icon = "clock"
    events: int


@dataclass(frozen=True)
class QueuePaused(Concern):
    kind = "queue_paused"
    is_bad = False
    icon = "pause"
    pause: Pause
    waiting: int


@dataclass(frozen=True)
class NeverStart(Concern):
    kind = "never_start"
    is_bad = False
    icon = "dash"
    jobs: int


@dataclass(frozen=True)
class TwoVersions(Concern):
    kind = "two_versions"
    is_bad = False
    icon = "warn"
    versions: tuple[str, ...]


#: From the worst to the least.
ORDER: tuple[type[Concern], ...] = (
    DataLost,
    WorkerLost,
    LoopBlocked,
    NoWorker,
    QueueUnserved,
    ProcessMissing,
    ScheduleOverdue,
    LogStuck,
    MemoryShort,
    JobsQuarantined,
    JobsHeld,
    ResultsSpooled,
    BreakerOpen,
    TaskFailing,
    ScheduleRefused,
    LongWait,
    EvictionOn,
    LogOff,
    ClockWrong,
    RecorderBehind,
    SchedulesUnserved,
    WorkersGone,
    WorkerQuiet,
    QueuePaused,
    NeverStart,
    TwoVersions,
)
