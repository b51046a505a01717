"""What just changed, told to the web processes as it happens.

Nothing rests on these messages: they only make pages look again.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

from tasks.broker import keys
from tasks.broker.channel import listen
from tasks.broker.client import broker_errors, get_client

#: Jobs named in one message; a larger batch is told as "many".
NAMED = 200


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
    with broker_errors():
        async for message in listen(keys.LIVE):
            for change in _parse(message):
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
