"""The read side of the overview and the queues: frozen and bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count

from tasks.board import Board
from tasks.broker.snapshot import (
    QueueDepth,
    Snapshot,
    WorkerInfo,
)
from tasks.models import Job, Pause
from tasks.pauses import current_pauses
from tasks.states import State

#: What went wrong by itself; what an operator stopped did not.
FAILURES = (State.FAILED, State.LOST, State.QUARANTINED)

HOUR, DAY = timedelta(hours=1), timedelta(hours=24)

#: The time from which a queue's rate is made.
RATE_WINDOW = timedelta(minutes=1)

#: A wait longer than the first is worth a look, than the second is too long.
LONG_WAIT = timedelta(minutes=2)
WAIT_LIMIT = timedelta(minutes=5)

#: A process of ours that said nothing for so long is not running.
SILENCE_LIMIT = timedelta(seconds=30)

#: Counts stop here; a page shows "100,000+".
COUNT_CAP = 100_000

#: Rows of the tables of queues, workers and processes.
MANY_ROWS = 500


@dataclass(frozen=True)
class Figures:
    """The five numbers on top; None where nobody can say."""

    waiting: int | None
    running: int | None
    slots: int | None
    oldest_wait: timedelta | None
    oldest_queue: str
    done: int
    failed: int
    cap: int = COUNT_CAP

    @property
    def waits_too_long(self) -> bool:
        return self.oldest_wait is not None and self.oldest_wait > WAIT_LIMIT

    @property
    def failed_percent(self) -> float:
        ended = self.done + self.failed
        return 100 * self.failed / ended if ended else 0.0


@dataclass(frozen=True)
class QueueRow:
    """One queue: what waits in it, who serves it, how it does."""

    name: str
    depth: QueueDepth
    workers: Sequence[WorkerInfo]
    at: datetime
    scheduled: int
    #: Jobs that ended in the last minute.
    per_minute: int
    failed: int
    pause: Pause | None = None

    @property
    def live_workers(self) -> int:
        return sum(worker.is_alive(self.at) for worker in self.workers)

    @property
    def lost_workers(self) -> int:
        return len(self.workers) - self.live_workers

    @property
    def oldest_wait(self) -> timedelta | None:
        has_oldest = self.depth.oldest_enqueued_at is not None
        return wait_of(self.depth, self.at) if has_oldest else None

    @property
    def is_unserved(self) -> bool:
        return self.depth.waiting > 0 and not self.live_workers and not self.pause

    @property
    def waits_long(self) -> bool:
        return self._waits_longer_than(LONG_WAIT)

    @property
    def waits_too_long(self) -> bool:
        return self._waits_longer_than(WAIT_LIMIT)

    def _waits_longer_than(self, limit: timedelta) -> bool:
        """Say whether that is too long for a queue that nobody holds back."""
        wait = self.oldest_wait
        return self.pause is None and wait is not None and wait > limit

    @property
    def per_second(self) -> float:
        return self.per_minute / RATE_WINDOW.total_seconds()

    @property
    def drains_in(self) -> timedelta | None:
        """How long the jobs that wait take at the rate of the last minute."""
        if self.pause or not self.per_minute or not self.depth.waiting:
            return None
        return timedelta(seconds=self.depth.waiting / self.per_second)


def read_figures(board: Board, now: datetime) -> Figures:
    done = _count_ended((State.FINISHED,), now - HOUR)
    failed = _count_ended(FAILURES, now - HOUR)
    snapshot = board.snapshot
    if snapshot is None:
        return Figures(None, None, None, None, "", done, failed)
    oldest = oldest_queue(snapshot, current_pauses(now))
    return Figures(
        waiting=sum(queue.waiting for queue in snapshot.queues),
        running=sum(queue.running for queue in snapshot.queues),
        slots=sum(worker.concurrency for worker in live_workers(snapshot)),
        oldest_wait=wait_of(oldest, snapshot.at) if oldest else None,
        oldest_queue=oldest.name if oldest else "",
        done=done,
        failed=failed,
    )


def _count_ended(states: Iterable[State], since: datetime) -> int:
    ended = Job.objects.in_state(*states).filter(ended_at__gte=since)
    return ended.order_by()[:COUNT_CAP].count()


def live_workers(snapshot: Snapshot) -> list[WorkerInfo]:
    return [worker for worker in snapshot.workers if worker.is_alive(snapshot.at)]


def oldest_queue(snapshot: Snapshot, held: Container[str]) -> QueueDepth | None:
    """Return the queue whose first job has waited longest, but for those held back."""
    waiting = [
        queue
        for queue in snapshot.queues
        if queue.oldest_enqueued_at and queue.name not in held
    ]
    return max(waiting, key=lambda queue: wait_of(queue, snapshot.at), default=None)


def wait_of(queue: QueueDepth, now: datetime) -> timedelta:
    """Return how long the queue's oldest job has waited; never below zero."""
    return max(timedelta(0), now - (queue.oldest_enqueued_at or now))


def read_queues(snapshot: Snapshot, now: datetime) -> list[QueueRow]:
    """Return a row for each queue that exists, is listened to or is paused, by name."""
    recent = Job.objects.ended_since(now - RATE_WINDOW)
    ended = Counter(recent.order_by().values_list("queue", flat=True)[:COUNT_CAP])
    failures = Job.objects.in_state(*FAILURES).filter(ended_at__gte=now - DAY)
    failed = Counter(failures.order_by().values_list("queue", flat=True)[:COUNT_CAP])
    delayed = dict(_count_scheduled())
    depths = {queue.name: queue for queue in snapshot.queues}
    pauses = current_pauses(now)
    names = sorted({*queue_names(snapshot), *pauses})
    return [
        QueueRow(
            name=name,
            depth=depths.get(name) or QueueDepth(name, 0, 0, 0, 0, None, None),
            workers=[w for w in snapshot.workers if name in w.queues],
            at=snapshot.at,
            scheduled=delayed.get(name, 0),
            per_minute=ended[name],
            failed=failed[name],
            pause=pauses.get(name),
        )
        for name in names[:MANY_ROWS]
    ]


def _count_scheduled() -> Iterable[tuple[str, int]]:
    """Count the delayed jobs by queue, from the ledger: Redis keeps them in one set."""
    scheduled = Job.objects.in_state(State.SCHEDULED).order_by()
    return scheduled.values_list("queue").annotate(Count("id"))


def queue_names(snapshot: Snapshot) -> list[str]:
    """Return the queues that hold or held something, and those that workers name."""
    known = {queue.name for queue in snapshot.queues}
    return sorted(known.union(*(worker.queues for worker in snapshot.workers)))
