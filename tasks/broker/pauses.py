"""What is paused, as claims read it: a copy of the ledger's rows."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from tasks.broker import keys
from tasks.broker.client import broker_errors, get_client
from tasks.broker.live import announce
from tasks.broker.writes import Command, write

#: Tells workers to claim anew, also from queues that they had stopped watching.
LOOK = json.dumps({"command": "look"})


def read_pauses() -> dict[str, str]:
    """Return what claims hold back, and until when. Raises BrokerUnavailable."""
    with broker_errors():
        fields: Any = get_client().hgetall(keys.PAUSES)
    return {_text(field): _text(ends) for field, ends in fields.items()}


def write_pauses(changed: Mapping[str, str], gone: Collection[str]) -> None:
    """Change what claims hold back, and tell workers and pages.

    Raises BrokerUnavailable.
    """
    told: list[Command] = [
        ("HSET", keys.PAUSES, _raw(field), ends) for field, ends in changed.items()
    ]
    if gone:
        told.append(("HDEL", keys.PAUSES, *map(_raw, gone)))
    with broker_errors():
        write([*told, ("PUBLISH", keys.CONTROL, LOOK)])
    announce([("", "")])


def knows_queue(name: str) -> bool:
    """Say whether a queue ever held a job or has a worker. Raises BrokerUnavailable."""
    with broker_errors(), get_client().pipeline(transaction=False) as pipeline:
        pipeline.sismember(keys.QUEUES, keys.queue(name))
        pipeline.exists(keys.queue_workers(name))
        return any(pipeline.execute())


# What another client wrote there may be no UTF-8, and must still be found to be removed.
def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
