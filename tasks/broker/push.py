"""The way of jobs into Redis."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from tasks.broker.client import broker_errors, get_client
from tasks.broker.scripts import Invocation, Value, invoke_many, script
from tasks.broker.wire import Envelope, format_date
from tasks.errors import JobExists
from tasks.states import State

#: Jobs that one round trip carries.
BATCH = 500

#: Jobs, and bytes of their arguments, that one call of the script writes: it holds Redis
#: for less than 1 ms.
JOBS_AT_ONCE = 50
BYTES_AT_ONCE = 256 * 1024

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def push(
    envelopes: Sequence[Envelope],
    parent_states: Mapping[str, str] | None = None,
    *,
    with_row: bool = False,
) -> list[State]:
    """Write jobs to Redis and return the state each is in now.

    An id that Redis knows already is left as it is, so a push may be repeated.
    `parent_states` are the ledger's, for parents that Redis has forgotten. `with_row`
    sends the ledger's columns along, for the recorder to write; then Redis is the one
    that accepts, and a used id raises JobExists.
    Raises BrokerUnavailable; the jobs before the failure may have been written.
    """
    states: list[State] = []
    for start in range(0, len(envelopes), BATCH):
        batch = envelopes[start : start + BATCH]
        calls = list(_calls(batch, parent_states or {}, with_row=with_row))
        with broker_errors():
            answers = invoke_many(get_client(), calls)
        found = [answer for of_call in answers for answer in of_call]
        if with_row:
            _refuse_used_ids(batch, found)
        states += [State(state.decode() or State.QUEUED) for _new, state in found]
    return states


def _refuse_used_ids(batch: Sequence[Envelope], answers: Sequence[Any]) -> None:
    for envelope, (written, _state) in zip(batch, answers, strict=True):
        if not written:
            raise JobExists(envelope.id)


def _calls(
    envelopes: Sequence[Envelope], parent_states: Mapping[str, str], *, with_row: bool
) -> Iterator[Invocation]:
    """Make one call of each run of jobs that have all but their arguments in common."""
    for _kind, run in groupby(envelopes, _what_is_shared):
        jobs = list(run)
        shared = _shared_args(jobs[0], parent_states)
        for args in _portions(jobs, with_row=with_row):
            yield Invocation(script("push"), (), [*shared, *args])


def _what_is_shared(envelope: Envelope) -> tuple[Any, ...]:
    one = envelope
    hash_fields = (one.queue, one.task, one.kind, one.timeout, one.retries, one.backoff)
    order = (one.at_front, one.allow_failure, list(one.depends_on))
    rest = (one.on_worker_lost, not one.description)
    so_far = (one.seq, one.attempts, one.retries_made)
    return *hash_fields, *order, *rest, *so_far


def _shared_args(job: Envelope, parent_states: Mapping[str, str]) -> list[Value]:
    args: list[Value] = [job.queue, int(job.at_front), int(job.allow_failure), job.seq]
    args.append(len(job.depends_on))
    for parent in job.depends_on:
        args += [parent, parent_states.get(parent, "")]
    fields = job.shared_fields()
    args.append(2 * len(fields))
    for name, value in fields.items():
        args += [name, value]
    return args


def _portions(jobs: Sequence[Envelope], *, with_row: bool) -> Iterator[list[Value]]:
    """Give the jobs' own arguments, as many as one call may write."""
    args: list[Value] = []
    count = size = 0
    for job in jobs:
        row = json.dumps(job.row()) if with_row else ""
        own_size = len(job.data) + len(row)
        if count == JOBS_AT_ONCE or (count and size + own_size > BYTES_AT_ONCE):
            yield args
            args, count, size = [], 0, 0
        due = score_of(job.due_at) if job.due_at else ""
        description = job.description or job.call_string()
        args += [job.id, due, row, format_date(job.created_at), job.data, description]
        count += 1
        size += own_size
    yield args


def score_of(moment: datetime) -> str:
    """Return the score of a due moment: Unix seconds to the millisecond, never before it."""
    micros = (moment - _EPOCH) // timedelta(microseconds=1)
    millis = -(-micros // 1000)
    return f"{millis // 1000}.{millis % 1000:03d}"
