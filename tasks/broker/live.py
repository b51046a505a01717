"""What just changed, told to the web processes as it happens.

Nothing rests on these messages: they only make pages look again.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

from tasks.broker import keys
from tasks.broker.client import broker_errors, get_client, make_async_client

#: Jobs named in one message; a larger batch is told as "many".
NAMED = 200

#: Seconds after which a silent connection is tested.
QUIET = 5.0


@dataclass(frozen=True)
class Change:
    """A change of a job, of its progress, or of a worker."""

    #: job, progress or worker.
    kind: str
    #: "" means any.
    job_id: str = ""
    queue: str = ""


def announce(changed: Iterable[tuple[str, str]]) -> None:
    """Tell that (job id, queue) pairs changed in the ledger. Raises BrokerUnavailable."""
    jobs = dict(changed)
    named = list(jobs.items()) if len(jobs) <= NAMED else [("", "")]
    with broker_errors():
        get_client().publish(keys.LIVE, json.dumps({"kind": "job", "jobs": named}))


async def changes() -> AsyncIterator[Change]:
    """Yield changes as they come, until the connection breaks (BrokerUnavailable)."""
    async with make_async_client(None) as client:
        pubsub = client.pubsub(ignore_subscribe_messages=True)
        with broker_errors():
            await pubsub.subscribe(keys.LIVE)
            while True:
                message = await pubsub.get_message(timeout=QUIET)
                if message is None:
                    await pubsub.ping()
                elif message["type"] == "message":
                    for change in _parse(message["data"]):
                        yield change


def _parse(data: bytes) -> list[Change]:
    try:
        message: Any = json.loads(data)
        kind = str(message["kind"])
        if kind == "job":
            return [
                Change(kind, str(job), str(queue)) for job, queue in message["jobs"]
            ]
        return [
            Change(kind, str(message.get("job", "")), str(message.get("queue", "")))
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
