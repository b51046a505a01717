"""RQ 2.12's wire format: a Taskyard job is an RQ job with JSON inside."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import pydantic_core

from tasks import stored_words
from tasks.errors import PayloadTooLarge, TasksError

#: Bytes of arguments, as JSON, that one job may carry.
PAYLOAD_LIMIT = 256 * 1024

#: Bytes that the smallest windows of zlib hold.
SMALL = 1024

#: Bytes that a stock client's payload may have once unpacked; zlib can hide gigabytes.
UNPACKED_LIMIT = 32 * 1024 * 1024

#: Bytes of JSON that a task may return, and characters of it that the ledger keeps.
RESULT_LIMIT, LEDGER_RESULT_LIMIT = 10 * 1024 * 1024, 65_536

#: Seconds that Redis keeps a finished job and its result; the ledger keeps them longer.
#: It is RQ's default, so the hash need not say it.
RESULT_TTL = 500

#: The name of a task that is its function's path, which RQ's own description says too.
SAME = "="

#: Seconds that Redis keeps one of ours that failed, and a stock client's that names none
#: (RQ's default).
FAILURE_TTL, STOCK_FAILURE_TTL = 7 * 24 * 3600, 31_536_000

#: RQ's timeout that means none.
NO_TIMEOUT = -1

_DATE = "%Y-%m-%dT%H:%M:%S.%fZ"


class PayloadUnreadable(TasksError):
    """Raised for a job's data that cannot, or must not, be read here."""


class PayloadPickled(PayloadUnreadable):
    """Raised for a pickled call, which may be loaded in a worker's child only."""

    def __init__(self, pickled: bytes) -> None:
        self.pickled = pickled
        super().__init__(stored_words.PICKLED)


class ResultUnusable(TasksError):
    """Raised for a return value that cannot be kept."""


@dataclass(frozen=True)
class Envelope:
    """All that is said of a job when it is submitted."""

    id: str
    task: str
    path: str
    queue: str
    kind: str = "sync"
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    tags: Sequence[str] = ()
    timeout: int = 600
    retries: int = 0
    backoff: float = 0
    at_front: bool = False
    allow_failure: bool = False
    depends_on: Sequence[str] = ()
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    due_at: datetime | None = None
    submitted_by: str = ""
    #: What becomes of it when its worker dies: requeue, fail or hold.
    on_worker_lost: str = "requeue"
    #: Where a job that Redis has forgotten goes on: its events, its attempts, and the
    #: retries it has had.
    seq: int = 0
    attempts: int = 0
    retries_made: int = 0

    @cached_property
    def args_text(self) -> str:
        return json.dumps(list(self.args)) if self.args else "[]"

    @cached_property
    def kwargs_text(self) -> str:
        return json.dumps(dict(self.kwargs)) if self.kwargs else "{}"

    @cached_property
    def data(self) -> bytes:
        """RQ's `data` field, of any size: stock clients' jobs know no limit."""
        return _pack(self._call)

    @property
    def _call(self) -> bytes:
        return _written(self.path, self.args_text, self.kwargs_text)

    def check_size(self) -> None:
        """Raise PayloadTooLarge for arguments that no job of ours may carry."""
        _check_call_size(self._call)

    def row(self) -> dict[str, Any]:
        """Return the ledger's columns, as JSON can hold them."""
        return {
            "id": self.id,
            "task": self.task,
            "queue": self.queue,
            "args": self.args,
            "kwargs": self.kwargs,
            "description": self.description,
            "tags": self.tags,
            "timeout": self.timeout,
            "retries": self.retries,
            "backoff": self.backoff,
            "at_front": self.at_front,
            "allow_failure": self.allow_failure,
            "depends_on": self.depends_on,
            "created_at": self.created_at.isoformat(),
            "due_at": self.due_at.isoformat() if self.due_at else None,
            "submitted_by": self.submitted_by,
        }

    def shared_fields(self) -> dict[str, Any]:
        """Return the fields of RQ's hash, and ours beside it, that many jobs share."""
        says_itself = self.task == self.path and not self.description
        fields: dict[str, Any] = {
            "origin": self.queue,
            "timeout": self.timeout,
            "failure_ttl": FAILURE_TTL,
            "ty:task": SAME if says_itself else self.task,
            "ty:kind": self.kind,
        }
        if self.at_front:
            fields["enqueue_at_front"] = 1
        if self.on_worker_lost != "requeue":
            fields["ty:on_lost"] = self.on_worker_lost
        if self.seq:
            fields |= {"ty:seq": self.seq, "ty:attempts": self.attempts}
        if self.retries:
            fields |= {
                "retries_left": max(0, self.retries - self.retries_made),
                "retry_intervals": json.dumps(retry_intervals(self)),
                "ty:retries": self.retries,
                "ty:backoff": self.backoff,
            }
        if self.depends_on:
            fields |= {
                "dependency_id": self.depends_on[0],
                "dependency_ids": json.dumps(list(self.depends_on)),
                "allow_dependency_failures": int(self.allow_failure),
            }
        return fields

    def call_string(self) -> str:
        """Return the call as RQ describes it: arguments cut, names sorted."""
        words = [_shortened(value) for value in self.args]
        words += sorted(f"{k}={_shortened(v)}" for k, v in self.kwargs.items())
        return f"{self.path}({', '.join(words)})"


def _shortened(value: object) -> str:
    text = repr(value)
    return f"{text[:75]}..." if len(text) > 75 else text


def retry_intervals(envelope: Envelope) -> list[int]:
    """Return the whole seconds that a stock worker waits before each retry."""
    return [
        round(longest_delay(envelope.backoff, n))
        for n in range(1, envelope.retries + 1)
    ]


#: No retry waits longer, in seconds.
LONGEST_BACKOFF = 3600.0


def longest_delay(backoff: float, attempt: int) -> float:
    """Return the most seconds to wait after the given attempt: backoff × 2^(n-1)."""
    return min(LONGEST_BACKOFF, backoff * 2.0 ** min(attempt - 1, 30))


def pack_call(path: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
    """Return RQ's `data` field. Raises PayloadTooLarge."""
    call = _written(path, json.dumps(list(args)), json.dumps(dict(kwargs)))
    _check_call_size(call)
    return _pack(call)


def _written(path: str, args: str, kwargs: str) -> bytes:
    return f"[{json.dumps(path)}, null, {args}, {kwargs}]".encode()


def _check_call_size(call: bytes) -> None:
    if len(call) > PAYLOAD_LIMIT:
        raise PayloadTooLarge(len(call), PAYLOAD_LIMIT)


def _pack(call: bytes) -> bytes:
    if len(call) > SMALL:
        return zlib.compress(call)
    # zlib clears 256 KB for its largest window, which costs 20 times the compression.
    packer = zlib.compressobj(wbits=10, memLevel=1)
    return packer.compress(call) + packer.flush()


def unpack_call(data: bytes) -> tuple[str, list[Any], dict[str, Any]]:
    """Return (dotted path, args, kwargs) of RQ's `data` field.

    Raises PayloadUnreadable for what is not JSON (PayloadPickled where pickle made it,
    which is never loaded here), is not a call, or unpacks to more than UNPACKED_LIMIT bytes.
    """
    text = _unzip(data)
    if text[:1] == b"\x80":
        raise PayloadPickled(text)
    try:
        path, instance, args, kwargs = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise PayloadUnreadable(stored_words.NO_CALL_JSON % {"error": error}) from error
    well_formed = (
        isinstance(path, str) and isinstance(args, list) and isinstance(kwargs, dict)
    )
    if not well_formed or instance is not None:
        raise PayloadUnreadable(stored_words.NO_CALL)
    return path, args, kwargs


def _unzip(data: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, UNPACKED_LIMIT)
    except zlib.error:
        return data  # RQ writes it plain in one old form, and reads it so still
    if unpacker.unconsumed_tail:
        raise PayloadUnreadable(
            stored_words.CALL_TOO_LARGE % {"limit": UNPACKED_LIMIT // 1024**2}
        )
    return text


def encode_result(value: object) -> str:
    """Return a task's return value as JSON. Raises ResultUnusable, which says why."""
    try:
        text = json.dumps(value, default=pydantic_core.to_jsonable_python)
    except (ValueError, TypeError, RecursionError) as error:
        raise ResultUnusable(stored_words.NO_RESULT_JSON % {"error": error}) from error
    check_result_size(len(text))
    return text


def check_result_size(size: int) -> None:
    """Raise ResultUnusable for a result of more than RESULT_LIMIT bytes."""
    if size > RESULT_LIMIT:
        raise ResultUnusable(
            stored_words.RESULT_TOO_LARGE
            % {"size": size // 1024**2, "limit": RESULT_LIMIT // 1024**2}
        )


def decode_result(text: str) -> Any:
    return json.loads(text) if text else None


def pack_result(result: str) -> str:
    """Return RQ's `return_value` field of a result."""
    return base64.b64encode(result.encode()).decode()


def pack_traceback(traceback: str) -> tuple[bytes, str]:
    """Return RQ's `exc_info` of a job and `exc_string` of its result."""
    packed = zlib.compress(traceback.encode("utf-8", "replace"))
    return packed, base64.b64encode(packed).decode()


def format_date(moment: datetime) -> str:
    text = moment.astimezone(UTC).isoformat(timespec="microseconds")
    return f"{text.removesuffix('+00:00')}Z"


def parse_date(text: bytes | str) -> datetime | None:
    """Return the moment that RQ wrote, or None for what is none."""
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        return datetime.strptime(decoded, _DATE).replace(tzinfo=UTC)
    except ValueError:
        return None
