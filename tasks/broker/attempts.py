"""Attempts on their way between Redis and a worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tasks.broker.scripts import Invocation, Value, script
from tasks.broker.wire import (
    FAILURE_TTL,
    RESULT_TTL,
    STOCK_FAILURE_TTL,
    pack_result,
    pack_traceback,
)

#: The fields that claim.lua returns, in its order.
CLAIMED_FIELDS = (
    "data",
    "task",
    "timeout",
    "retries_left",
    "retry_intervals",
    "backoff",
    "success_callback_name",
    "failure_callback_name",
    "stopped_callback_name",
    "created_at",
    "enqueued_at",
    "description",
    "result_ttl",
    "failure_ttl",
)


@dataclass(frozen=True)
class Claimed:
    """A job that this worker holds the lease of."""

    id: str
    execution: str
    queue: str
    attempt: int
    #: The hash's fields named in CLAIMED_FIELDS, b"" where there is none.
    fields: dict[str, bytes] = field(repr=False)

    def text(self, name: str) -> str:
        return self.fields[name].decode("utf-8", "replace")

    def number(self, name: str) -> float | None:
        try:
            return float(self.fields[name])
        except ValueError:
            return None

    @property
    def member(self) -> str:
        """The job's entry in the lease and in RQ's wip."""
        return f"{self.id}:{self.execution}"


@dataclass(frozen=True)
class ClaimAnswer:
    suspended: bool
    #: Queues whose next job found no free slot of its kind.
    held: frozenset[str]
    jobs: list[Claimed]


def as_bytes(value: Value) -> Value:
    """Return text as Redis takes it: half surrogates, which UTF-8 cannot say, become ?."""
    return value.encode("utf-8", "replace") if isinstance(value, str) else value


@dataclass(frozen=True)
class Settlement:
    """The end of one attempt."""

    job: Claimed
    #: finish, fail, stop or handback.
    verb: str
    started: float
    #: The return value as JSON.
    result: str = ""
    traceback: str = ""
    #: Seconds to wait before the next try; None: it must not be retried.
    retry_after: float | None = None
    #: What the recorder should know, by name.
    facts: dict[str, Value] = field(default_factory=dict)

    def invocation(self, worker: str) -> Invocation:
        finished = self.verb == "finish"
        exc_info, exc_string = (
            pack_traceback(self.traceback) if not finished else (b"", "")
        )
        args: list[Value] = [self.job.id, self.job.execution, self.job.queue, self.verb]
        args += [worker, f"{self.started:.6f}", 1 if finished else 2]
        args += ["return_value" if finished else "exc_string"]
        args += [pack_result(self.result) if finished else exc_string, exc_info]
        args += ["" if self.retry_after is None else f"{self.retry_after:.3f}"]
        args += [int(self._ttl("result_ttl", RESULT_TTL)), self._failure_ttl()]
        for name, value in self.facts.items():
            args += [name, as_bytes(value)]
        return Invocation(script("settle"), (), args)

    def _ttl(self, name: str, default: float) -> float:
        chosen = self.job.number(name)
        return default if chosen is None else chosen

    def _failure_ttl(self) -> int:
        ours = bool(self.job.fields["task"])
        return int(self._ttl("failure_ttl", FAILURE_TTL if ours else STOCK_FAILURE_TTL))


@dataclass(frozen=True)
class Said:
    """Something that a running job said: a log line, or progress as JSON."""

    job: Claimed
    text: str
    at: float = 0.0


def claimed_from(answer: Any) -> Claimed:
    """Return a job as claim.lua answers it."""
    job_id, execution, queue, attempt, values = answer
    fields = dict(zip(CLAIMED_FIELDS, values, strict=True))
    return Claimed(job_id.decode(), execution.decode(), queue.decode(), attempt, fields)
