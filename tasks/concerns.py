"""What may need a person: facts only.

The sentence, link and button of each are in the template named for its class,
`dashboard/overview/concerns/<kind>.html`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from tasks.broker.snapshot import WorkerInfo
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
    worker: WorkerInfo
    silent_for: timedelta | None
    job: Job | None


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
    WorkerLost,
    LoopBlocked,
    NoWorker,
    QueueUnserved,
    ProcessMissing,
    TaskFailing,
    LongWait,
    MemoryShort,
    EvictionOn,
    RecorderBehind,
    QueuePaused,
    NeverStart,
    TwoVersions,
)
