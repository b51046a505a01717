"""Attempts on their way between Redis and a worker."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.broker.scripts import Value
from tasks.broker.wire import (
    FAILURE_TTL,
    RESULT_TTL,
    SAME,
    STOCK_FAILURE_TTL,
    pack_result,
    pack_traceback,
)

#: The fields that claim.lua answers for each job, and those that few jobs have.
_COMMON = ("task", "data", "timeout", "result_ttl", "failure_ttl")
_RARE = (
    "retries_left",
    "number_of_retries",
    "success_callback_name",
    "failure_callback_name",
    "stopped_callback_name",
    "webhooks",
    "retry_intervals",
    "backoff",
    "success_callback_timeout",
    "failure_callback_timeout",
    "stopped_callback_timeout",
    "enqueued_at",
    "deaths",
    "solo",
)
CLAIMED_FIELDS = _COMMON + _RARE

_NONE_RARE: list[bytes | None] = [None] * len(_RARE)

_POSITIONS = {name: position for position, name in enumerate(CLAIMED_FIELDS)}


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job that this worker holds the lease of."""

    id: str
    execution: str
    queue: str
    attempt: int
    #: The job's entry in the lease and in RQ's wip.
    member: str
    #: The hash's fields in the order of CLAIMED_FIELDS, None where there is none.
    values: Sequence[bytes | None] = field(repr=False)

    @property
    def was_lost(self) -> bool:
        """Whether a worker died while it had an earlier attempt."""
        return bool(self.raw("deaths"))

    @property
    def task(self) -> str:
        """The task's name, where the hash says one that the call does not."""
        name = self.text("task")
        return "" if name == SAME else name

    @property
    def runs_solo(self) -> bool:
        """Whether workers died of it so often that it must run alone."""
        return self.raw("solo") == self.execution.encode()

    def raw(self, name: str) -> bytes:
        """Return a field named in CLAIMED_FIELDS, b"" where there is none."""
        return self.values[_POSITIONS[name]] or b""

    def text(self, name: str) -> str:
        return self.raw(name).decode("utf-8", "replace")

    def number(self, name: str) -> float | None:
        value = self.values[_POSITIONS[name]]
        try:
            number = float(value) if value else math.nan
        except ValueError:
            return None
        return number if math.isfinite(number) else None


@dataclass(frozen=True, slots=True)
class Hold:
    """What a claim does with the jobs of a task while its breaker is open."""

    task: str
    path: str
    #: Seconds until the first slot, until the others, and between two.
    first: float
    others: float
    step: float
    #: Which one job may run all the same: none, any, or one that has a retry left; and
    #: the seconds until any may.
    lets: str
    later: float = 0.0


@dataclass(frozen=True, slots=True)
class HeldBack:
    """What came of one Hold in a claim."""

    jobs: int
    let_one_through: bool


@dataclass(frozen=True)
class ClaimAnswer:
    suspended: bool
    #: Queues whose next job found no free slot, and its kind: sync or async.
    held: Mapping[str, str]
    #: Queues from which nothing may be taken now.
    paused: frozenset[str]
    jobs: list[Claimed]
    #: One for each Hold that the claim was given.
    held_back: Sequence[HeldBack] = ()


def as_bytes(value: Value) -> Value:
    """Return text as Redis takes it: half surrogates, which UTF-8 cannot say, become ?."""
    return value.encode("utf-8", "replace") if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of one attempt."""

    job: Claimed
    #: finish, fail, stop, quarantine or handback; after a returned `rq.Retry` again or
    #: exceeded.
    verb: str
    started: float
    #: The return value as JSON; for pickled jobs, and after a `Retry`, see `packed`.
    result: str = ""
    traceback: str = ""
    #: Seconds to wait before the next try; None: it must not be retried.
    retry_after: float | None = None
    #: What the recorder should know, by name.
    facts: dict[str, Value] = field(default_factory=dict)
    #: RQ's `return_value`, where it is not the result as JSON.
    packed: str = ""

    def arguments(self) -> list[Value]:
        """Return what settle.lua is told of this attempt."""
        job = self.job
        args: list[Value] = [job.id, job.execution, job.queue, self.verb]
        args += [f"{self.started:.6f}", job.attempt, *self._result()]
        args.append("" if self.retry_after is None else f"{self.retry_after:.3f}")
        args += [int(self._ttl("result_ttl", RESULT_TTL)), self._failure_ttl()]
        args.append(2 * len(self.facts))
        for name, value in self.facts.items():
            args += [name, as_bytes(value)]
        return args

    @property
    def size(self) -> int:
        """About how many bytes the settlement takes on the wire."""
        return 500 + 3 * len(self.result) + 2 * len(self.traceback) + len(self.packed)

    def _result(self) -> tuple[Value, Value]:
        """Return RQ's field of the result, and the job's `exc_info`."""
        if self.verb in ("fail", "stop", "quarantine"):
            exc_info, exc_string = pack_traceback(self.traceback)
            return exc_string, exc_info
        return self.packed or pack_result(self.result), b""

    def _ttl(self, name: str, default: float) -> float:
        chosen = self.job.number(name)
        return default if chosen is None else chosen

    def _failure_ttl(self) -> int:
        ours = bool(self.job.raw("task"))
        return int(self._ttl("failure_ttl", FAILURE_TTL if ours else STOCK_FAILURE_TTL))


@dataclass(frozen=True, slots=True)
class Said:
    """Something that a running job said: a log line, or progress as JSON."""

    job: Claimed
    text: str
    at: float = 0.0


def claimed_from(answer: list[Any]) -> Claimed:
    """Return a job as claim.lua answers it."""
    job_id, execution, queue = (
        answer[0].decode(),
        answer[1].decode(),
        answer[2].decode(),
    )
    member = f"{job_id}:{execution}"
    rare = answer.pop() if len(answer) > 4 + len(_COMMON) else _NONE_RARE
    return Claimed(job_id, execution, queue, answer[3], member, answer[4:] + rare)
