"""The engine's moves, one at a time and by hand: what tests interleave."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import redis

from tasks.broker import keys
from tasks.broker.attempts import ClaimAnswer, Claimed, Hold, Settlement
from tasks.broker.client import get_client
from tasks.broker.engine import Engine
from tasks.broker.events import Event
from tasks.broker.losses import sweep
from tasks.broker.moves import Moved, move_due
from tasks.broker.push import push
from tasks.broker.wire import Envelope
from tasks.recorder import record

T = TypeVar("T")


def client() -> redis.Redis:
    return get_client()


def push_job(
    job_id: str = "",
    *,
    states: Mapping[str, str] | None = None,
    with_row: bool = True,
    **fields: Any,
) -> str:
    """Push a job, of `tests.sample.add` unless told otherwise, and return its id."""
    values: dict[str, Any] = {
        "id": job_id or str(uuid.uuid4()),
        "task": "tests.sample.add",
        "path": "tests.sample.add",
        "queue": "default",
        "kwargs": {"a": 1},
        **fields,
    }
    push([Envelope(**values)], states, with_row=with_row)
    return str(values["id"])


def claim_all(
    *queues: str,
    sync: int = 9,
    coroutines: int = 9,
    most: int = 9,
    worker: str = "w1",
    paths: Sequence[str] = (),
    most_lost: int = 0,
    holds: Sequence[Hold] = (),
) -> ClaimAnswer:
    """Claim as a worker of `queues` (default) with that many free slots would."""
    executions = [uuid.uuid4().hex for _ in range(most)]

    async def ask(engine: Engine) -> ClaimAnswer:
        return await engine.claim(sync, coroutines, executions, paths, most_lost, holds)

    return _with_engine(ask, worker, queues or ("default",))


def claim(*queues: str, **options: Any) -> Claimed:
    """Claim one job, which must be there."""
    return claim_all(*queues, most=1, **options).jobs[0]


def settle(
    job: Claimed, verb: str = "finish", *, worker: str = "w1", **fields: Any
) -> str:
    """End an attempt as its worker would; `fields` are those of a Settlement."""
    facts = fields.pop("facts", {})
    started = fields.pop("started", datetime.now(UTC).timestamp())
    made = Settlement(job, verb, started, facts=facts, **fields)

    async def ask(engine: Engine) -> list[str]:
        return await engine.settle([made])

    return _with_engine(ask, worker, (job.queue,))[0]


def settle_all(ends: Sequence[tuple[Claimed, str]], worker: str = "w1") -> list[str]:
    """End several attempts, each with its verb, by one call."""
    started = datetime.now(UTC).timestamp()
    made = [Settlement(job, verb, started) for job, verb in ends]

    async def ask(engine: Engine) -> list[str]:
        return await engine.settle(made)

    return _with_engine(ask, worker, ("default",))


def _with_engine(
    ask: Callable[[Engine], Coroutine[Any, Any, T]], worker: str, queues: Sequence[str]
) -> T:
    async def run() -> T:
        engine = Engine(worker, "host", queues)
        try:
            return await ask(engine)
        finally:
            await engine.close()

    return asyncio.run(run())


def run_next(verb: str = "finish", *queues: str, **fields: Any) -> str:
    """Claim the next job and end it at once; returns its id."""
    job = claim(*queues)
    settle(job, verb, **fields)
    return job.id


def end_leases(queue: str = "default") -> None:
    """Make every lease of a queue end now, as if its worker had been silent."""
    for member in client().zrange(keys.lease(queue), 0, -1):
        client().zadd(keys.lease(queue), {member: 1})


def take_back(queue: str = "default") -> list[str]:
    """End the attempts whose lease has ended; returns the ids of their jobs."""
    return [loss.job_id for loss in sweep(queue)]


def make_due(job_id: str, key: str = keys.DELAYED) -> None:
    """Make a waiting moment be over."""
    client().zadd(key, {job_id: 1})
    client().hset(keys.job(job_id), "ty:due", "1")


def move() -> Moved:
    return move_due(client())


def status(job_id: str) -> str:
    return (client().hget(keys.job(job_id), "status") or b"").decode()


def waiting(queue: str = "default") -> list[str]:
    """Return the ids in a queue, the next one first."""
    return [job_id.decode() for job_id in client().lrange(keys.queue(queue), 0, -1)]


def events() -> list[Event]:
    """Return all that happened and is not recorded."""
    found: Any = client().xrange(keys.EVENTS)
    return [Event(entry, fields) for entry, fields in found]


def kinds(job_id: str) -> list[str]:
    return [event["kind"] for event in events() if event["id"] == job_id]


def record_all(found: Sequence[Event] | None = None) -> None:
    """Record what happened so far, and forget the events."""
    record(events() if found is None else found)
    client().delete(keys.EVENTS)
