"""The way of a job into Redis."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.broker.client import broker_errors, get_client
from tasks.broker.scripts import Invocation, Value, invoke_many, script
from tasks.broker.wire import Envelope
from tasks.errors import JobExists
from tasks.states import State

#: Jobs that one round trip carries.
BATCH = 500


def push(
    envelopes: Sequence[Envelope],
    parent_states: Mapping[str, str] | None = None,
    *,
    with_row: bool = False,
) -> list[State]:
    """Write jobs to Redis, each by one script, and return the state each is in now.

    An id that Redis knows already is left as it is, so a push may be repeated.
    `parent_states` are the ledger's, for parents that Redis has forgotten. `with_row`
    sends the ledger's columns along, for the recorder to write; then Redis is the one
    that accepts, and a used id raises JobExists.
    Raises BrokerUnavailable; the jobs before the failure may have been written.
    """
    states: list[State] = []
    for start in range(0, len(envelopes), BATCH):
        batch = envelopes[start : start + BATCH]
        calls = [_invocation(e, parent_states or {}, with_row=with_row) for e in batch]
        with broker_errors():
            answers = invoke_many(get_client(), calls)
        if with_row:
            _refuse_used_ids(batch, answers)
        states += [State(answer[1].decode() or State.QUEUED) for answer in answers]
    return states


def _refuse_used_ids(batch: Sequence[Envelope], answers: Sequence[Any]) -> None:
    for envelope, (written, _state) in zip(batch, answers, strict=True):
        if not written:
            raise JobExists(envelope.id)


def _invocation(
    envelope: Envelope, parent_states: Mapping[str, str], *, with_row: bool
) -> Invocation:
    due = f"{envelope.due_at.timestamp():.3f}" if envelope.due_at else ""
    args: list[Value] = [envelope.id, envelope.queue, due]
    args += [int(envelope.at_front), int(envelope.allow_failure)]
    args += [json.dumps(envelope.row()) if with_row else "", len(envelope.depends_on)]
    for parent in envelope.depends_on:
        args += [parent, parent_states.get(parent, "")]
    for name, value in envelope.hash_fields().items():
        args += [name, value]
    return Invocation(script("push"), (), args)
