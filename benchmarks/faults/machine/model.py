"""What should become of jobs, in as few words as it can be said."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tasks.broker.engine import LEASE_FOR
from tasks.states import State

#: Seconds for which a worker's death counts, and within which one that lives beats.
DEATHS_COUNT_FOR, BEATS_WITHIN = 72 * 3600, 10

#: Deaths that make a suspect; that end a job; that end one which ran alone.
SUSPECT, QUARANTINE, QUARANTINE_ALONE = 2, 3, 5

#: States in which a parent lets a child go that does not mind failures.
ENDED_BADLY = {
    State.FAILED,
    State.STOPPED,
    State.CANCELED,
    State.LOST,
    State.QUARANTINED,
}

#: Where a job in each state is; one that is scheduled is in one of two places.
PLACES = {
    State.QUEUED: "queue",
    State.DEFERRED: "deferred",
    State.STARTED: "lease",
    State.FINISHED: "finished",
    State.FAILED: "failed",
    State.STOPPED: "failed",
    State.LOST: "failed",
    State.QUARANTINED: "failed",
    State.CANCELED: "canceled",
}

HOLD_STATES = {"fail": State.FAILED, "hold": State.LOST}


@dataclass
class Holder:
    """The attempt that runs now."""

    execution: str
    worker: str
    until: float
    alone: bool


@dataclass
class ModelJob:
    id: str
    retries: int = 0
    parents: tuple[str, ...] = ()
    allow_failure: bool = False
    on_lost: str = "requeue"
    #: When it may run first, as it was submitted; no longer known once it was moved.
    due: float | None = None
    state: State = State.CREATED
    #: The zset that it waits in while it is scheduled, and its score there.
    aside: tuple[str, float] | None = None
    retries_left: int = 0
    attempts: int = 0
    holder: Holder | None = None
    deaths: list[float] = field(default_factory=list)
    #: The execution whose loss counted as the last of them.
    died: str = ""
    #: Parents that will tell it of their end, and how many it still counts as open.
    listens_to: set[str] = field(default_factory=set)
    open: int = 0

    @property
    def place(self) -> str:
        if self.state == State.SCHEDULED and self.aside:
            return self.aside[0]
        return PLACES[self.state]

    @property
    def status(self) -> str:
        """RQ's word for the state."""
        held = self.state in (State.LOST, State.QUARANTINED)
        return "failed" if held else self.state.value


class Model:
    """All jobs of one queue."""

    def __init__(self) -> None:
        self.now = 0.0
        self.jobs: dict[str, ModelJob] = {}
        self.is_paused = False
        #: When each worker last beat.
        self.seen: dict[str, float] = {}
        #: Parents whose end the sweep left for others to tell.
        self.untold: set[str] = set()
        #: How each attempt ended.
        self.ends: dict[str, State] = {}

    # Waiting.

    def submit(self, job: ModelJob) -> None:
        self.jobs[job.id] = job
        job.retries_left = job.retries
        open_parents = self._open_parents(job)
        if open_parents:
            self._defer(job, open_parents)
        else:
            self._place(job)

    def move(self) -> None:
        """Let go what is due."""
        for place in ("delayed", "retries"):
            for job in self._aside(place):
                job.due = None
                if open_parents := self._open_parents(job):
                    self._defer(job, open_parents)
                else:
                    self._place(job)

    def cancel(self, job: ModelJob) -> bool:
        if job.state not in (State.QUEUED, State.SCHEDULED, State.DEFERRED):
            return False
        job.state = State.CANCELED
        self._tell_children(job)
        return True

    def retry(self, job: ModelJob) -> bool:
        if job.state not in ENDED_BADLY:
            return False
        job.retries_left, job.due, job.deaths = job.retries, None, []
        if open_parents := self._open_parents(job):
            self._defer(job, open_parents)
        else:
            self._place(job)
        return True

    # Running.

    def next_up(self, waiting: Sequence[str], most: int, most_lost: int) -> list[str]:
        """Return which of the waiting ids a claim must take."""
        taken: list[str] = []
        lost = 0
        for job_id in () if self.is_paused else waiting[:most]:
            if self.jobs[job_id].deaths and most_lost:
                if lost == most_lost:
                    break
                lost += 1
            taken.append(job_id)
        return taken

    def start(self, job: ModelJob, execution: str, worker: str, *, solo: bool) -> None:
        job.state = State.STARTED
        job.attempts += 1
        alone = solo and len(self._recent(job.deaths)) >= SUSPECT
        until = math.floor(self.now + LEASE_FOR)
        job.holder = Holder(execution, worker, until, alone)
        self.ends[execution] = State.STARTED

    def renew(self, worker: str) -> None:
        self.seen[worker] = self.now
        for job in self.jobs.values():
            if job.holder and job.holder.worker == worker:
                job.holder.until = math.floor(self.now + LEASE_FOR)

    def settle(
        self, job: ModelJob, execution: str, verb: str, retry_after: float | None
    ) -> str:
        """End an attempt; returns what the worker is told."""
        if job.holder is None or job.holder.execution != execution:
            if job.died == execution:  # its worker lives after all
                job.deaths, job.died = self._recent(job.deaths)[:-1], ""
            return "superseded"
        job.holder = None
        if verb == "finish":
            return self._end(job, execution, State.FINISHED)
        if verb == "quarantine":
            job.deaths.append(self.now)
            return self._end(job, execution, State.QUARANTINED)
        if verb == "handback":
            job.attempts -= 1
            self.ends[execution] = State.CANCELED
            return self._wait_again(job, 0)
        if verb == "fail" and retry_after is not None and job.retries_left:
            job.retries_left -= 1
            self.ends[execution] = State.FAILED
            return self._wait_again(job, retry_after)
        state = State.STOPPED if verb == "stop" else State.FAILED
        return self._end(job, execution, state)

    def sweep(self) -> None:
        """End the attempts whose lease has ended."""
        for job in self.jobs.values():
            holder = job.holder
            if holder is None or holder.until > self.now:
                continue
            job.holder, job.due = None, None
            self.ends[holder.execution] = State.LOST
            state = HOLD_STATES.get(job.on_lost)
            if self._was_last_death(job, holder):
                state = State.QUARANTINED
            if state:
                job.state = state
                self.untold.add(job.id)
            else:
                self._place(job)

    def release(self) -> None:
        """Tell the children of what the sweep has ended."""
        for parent in self.untold:
            self._tell_children(self.jobs[parent])
        self.untold.clear()

    # The rules behind it.

    def _was_last_death(self, job: ModelJob, holder: Holder) -> bool:
        seen = self.seen.get(holder.worker)
        if seen is not None and self.now - seen < BEATS_WITHIN:
            return False  # its worker lives
        job.deaths, job.died = [*self._recent(job.deaths), self.now], holder.execution
        most = QUARANTINE_ALONE if holder.alone else QUARANTINE
        return len(job.deaths) >= most

    def _recent(self, deaths: Iterable[float]) -> list[float]:
        return [at for at in deaths if self.now - at < DEATHS_COUNT_FOR]

    def _end(self, job: ModelJob, execution: str, state: State) -> str:
        job.state = self.ends[execution] = state
        self._tell_children(job)
        return state.value

    def _wait_again(self, job: ModelJob, seconds: float) -> str:
        job.due = None
        if seconds > 0:
            job.state, job.aside = State.SCHEDULED, ("retries", self.now + seconds)
        else:
            self._place(job)
        return job.state.value

    def _place(self, job: ModelJob) -> None:
        if job.due is not None and job.due > self.now:
            job.state, job.aside = State.SCHEDULED, ("delayed", job.due)
        else:
            job.state = State.QUEUED

    def _aside(self, place: str) -> list[ModelJob]:
        return [
            job
            for job in self.jobs.values()
            if job.state == State.SCHEDULED
            and job.aside
            and job.aside[0] == place
            and job.aside[1] <= self.now
        ]

    def _defer(self, job: ModelJob, open_parents: Sequence[str]) -> None:
        job.state, job.open = State.DEFERRED, len(open_parents)
        job.listens_to |= set(open_parents)

    def _open_parents(self, job: ModelJob) -> list[str]:
        return [
            parent
            for parent in job.parents
            if not _lets_go(self.jobs[parent], job.allow_failure)
        ]

    def _tell_children(self, parent: ModelJob) -> None:
        for child in self.jobs.values():
            if parent.id not in child.listens_to:
                continue
            if not _lets_go(parent, child.allow_failure):
                continue
            child.listens_to.discard(parent.id)
            if child.state != State.DEFERRED:
                continue
            child.open -= 1
            if child.open <= 0 or not self._open_parents(child):
                self._place(child)


def _lets_go(parent: ModelJob, allow_failure: bool) -> bool:  # noqa: FBT001
    return parent.state == State.FINISHED or (
        allow_failure and parent.state in ENDED_BADLY
    )
