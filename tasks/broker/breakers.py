"""Circuit breakers of workers, as Redis tells of them; worker/breaker.py has the rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.broker import keys
from tasks.broker.client import broker_errors, get_client


@dataclass(frozen=True)
class OpenBreaker:
    """A task that one worker tries rarely, since it failed there again and again."""

    task: str
    since: datetime
    #: In a row.
    failures: int
    #: Jobs that wait for the moments at which they are looked at again.
    held: int
    #: The time from one try to the next.
    every: timedelta


@dataclass(frozen=True)
class Holder:
    """The worker whose breaker held a job back last, and until when."""

    worker: str
    until: datetime


def parse_breakers(text: str) -> tuple[OpenBreaker, ...]:
    """Return what a worker's entry says, () for what is not understood."""
    try:
        said: Mapping[str, Any] = json.loads(text) if text else {}
        return tuple(_parse(task, facts) for task, facts in said.items())
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return ()


def _parse(task: str, facts: Mapping[str, Any]) -> OpenBreaker:
    return OpenBreaker(
        task,
        datetime.fromtimestamp(float(facts["since"]), UTC),
        int(facts["failures"]),
        int(facts["held"]),
        timedelta(seconds=float(facts["every"])),
    )


def read_holder(job_id: str) -> Holder | None:
    """Return who held a job back last, None for nobody. Raises BrokerUnavailable."""
    with broker_errors():
        told: Any = get_client().hget(keys.job(job_id), "ty:held")
    seconds, _space, worker = (told or b"").decode("utf-8", "replace").partition(" ")
    try:
        return Holder(worker, datetime.fromtimestamp(float(seconds), UTC))
    except (ValueError, OverflowError):
        return None
