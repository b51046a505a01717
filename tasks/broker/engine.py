"""What a worker asks of Redis, on asyncio, every wait bounded.

Nothing here decides anything: the scripts hold the rules, the worker the policy.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from typing import Any

import redis.exceptions
from redis.exceptions import OutOfMemoryError

from tasks.broker import keys
from tasks.broker.attempts import (
    ClaimAnswer,
    Claimed,
    HeldBack,
    Hold,
    Said,
    Settlement,
    as_bytes,
    claimed_from,
)
from tasks.broker.channel import listen
from tasks.broker.client import REDIS_ERRORS, make_async_client
from tasks.broker.entries import departure, idleness, registration
from tasks.broker.leases import find_leases
from tasks.broker.scripts import (
    Invocation,
    Value,
    invoke_async,
    script,
    send_async,
)
from tasks.broker.writes import write_async
from tasks.errors import BrokerUnavailable

logger = logging.getLogger(__name__)

#: Seconds a claim holds a job before the worker must have renewed it.
LEASE_FOR = 15

#: RQ's own seconds in `rq:wip`; stock readers fail what is older by their clock.
WIP_FOR = 90

#: Seconds that one wait for work blocks.
WAIT_FOR = 5

#: Seconds between two looks for work in a Redis that is too full to be waited on.
FULL_PAUSE = 0.1

#: Leases renewed, and heartbeats written, by one call, and seconds over which those of
#: many jobs are spread: a new job must not wait behind them.
RENEW_AT_ONCE, RENEW_WITHIN = 100, 2.5
BEAT_AT_ONCE, BEAT_WITHIN = 50, 15.0

#: Bytes of log that one job may keep in Redis, as entries of about 200 bytes.
LOG_ENTRIES = 25_000

#: Seconds that a job's log waits in Redis for the recorder.
LOG_TTL = 24 * 3600


class Engine:
    """One worker's connections to Redis. Every method may raise BrokerUnavailable."""

    def __init__(self, worker: str, host: str, queues: Sequence[str]) -> None:
        self.worker = worker
        self.host = host
        self.queues = list(queues)
        self._client = make_async_client()
        # Blocking reads have clients of their own: their answers take seconds.
        self._waiting = make_async_client(WAIT_FOR + 5, connections=len(queues) + 1)

    async def close(self) -> None:
        for client in (self._client, self._waiting):
            with contextlib.suppress(*REDIS_ERRORS):
                await client.aclose()

    async def claim(
        self,
        sync_slots: int,
        async_slots: int,
        executions: Sequence[str],
        coroutines: Collection[str] = (),
        most_lost: int = 0,
        holds: Sequence[Hold] = (),
    ) -> ClaimAnswer:
        """Take up to as many jobs as there are slots of their kind and executions.

        `coroutines` are dotted paths by which stock clients' coroutines are known. Of
        jobs that a worker died of before, `most_lost` are taken at most; 0 is for a
        worker that makes no difference between them and others. Jobs that `holds` names
        are put aside instead.
        """
        args: list[Value] = [self.worker, self.host, LEASE_FOR, WIP_FOR]
        args += [sync_slots, async_slots, most_lost, len(self.queues), *self.queues]
        args += [len(coroutines), *coroutines, len(holds)]
        for hold in holds:
            args += [hold.task, hold.path, hold.first, hold.others, hold.step]
            args += [hold.lets, hold.later]
        args += executions
        with _translated():
            answer = await invoke_async(self._client, "claim", (), args)
        suspended, held, paused, jobs, held_back = answer
        names = [name.decode() for name in held]
        return ClaimAnswer(
            bool(suspended),
            dict(zip(names[::2], names[1::2], strict=True)),
            frozenset(name.decode() for name in paused),
            list(map(claimed_from, jobs)),
            [HeldBack(jobs, bool(let)) for jobs, let in held_back],
        )

    async def wait_for_work(self, queue: str) -> bool:
        """Block until the queue holds a job, WAIT_FOR seconds at most; it stays there."""
        key = keys.queue(queue)
        with _translated():
            try:
                found = await self._waiting.blmove(key, key, WAIT_FOR, "LEFT", "LEFT")
            except OutOfMemoryError:  # it might take memory; the claim does not
                await asyncio.sleep(FULL_PAUSE)
                return False
        return found is not None

    async def held_by(self, executions: Collection[str]) -> list[Claimed]:
        """Return the jobs of which Redis says that these executions hold them."""
        with _translated():
            return await find_leases(self._client, self.queues, executions)

    async def settle(
        self, settlements: Sequence[Settlement], worker: str = "", host: str = ""
    ) -> list[str]:
        """End attempts by one call; returns the new states, 'superseded' or 'broken: …'.

        They are this worker's, unless another one is named that ran them.
        """
        args: list[Value] = [worker or self.worker, host or self.host]
        for settlement in settlements:
            args += settlement.arguments()
        with _translated():
            states = await invoke_async(self._client, "settle", (), args)
        return [state.decode("utf-8", "replace") for state in states]

    async def renew(self, jobs: Sequence[Claimed]) -> set[str]:
        """Renew leases; returns the members whose lease is gone."""
        gone: set[str] = set()
        for queue, mine in _by_queue(jobs, RENEW_AT_ONCE):
            args: list[Value] = [LEASE_FOR, *(job.member for job in mine)]
            zsets = (keys.lease(queue), keys.wip(queue))
            with _translated():
                answer = await invoke_async(self._client, "renew", zsets, args)
            gone.update(member.decode() for member in answer)
            await asyncio.sleep(_pause(len(jobs), RENEW_AT_ONCE, RENEW_WITHIN))
        return gone

    async def beat(self, jobs: Sequence[Claimed]) -> None:
        """Write RQ's own heartbeat of running jobs."""
        for queue, mine in _by_queue(jobs, BEAT_AT_ONCE):
            pairs: list[Value] = [WIP_FOR]
            for job in mine:
                pairs += [job.id, job.execution]
            with _translated():
                await invoke_async(self._client, "beat", (keys.wip(queue),), pairs)
            await asyncio.sleep(_pause(len(jobs), BEAT_AT_ONCE, BEAT_WITHIN))

    async def register(self, facts: dict[Any, Any]) -> None:
        """Write the worker as RQ does, anew each time: Redis may have lost it."""
        args = registration(facts, self.queues, _PASSING - facts.keys())
        with _translated():
            key = keys.worker(self.worker)
            await invoke_async(self._client, "register", (key,), args)

    async def note_idle(self) -> None:
        """Say in RQ's terms that no job runs."""
        with _translated():
            await write_async(self._client, idleness(self.worker))

    async def deregister(self, died_at: str) -> None:
        with _translated():
            gone = departure(self.worker, self.queues, died_at)
            await write_async(self._client, gone)

    async def release_children(self) -> bool:
        """Release children of parents that had many; say whether some are left."""
        with _translated():
            return bool(await invoke_async(self._client, "release", (), (50,)))

    async def say(self, logs: Sequence[Said], progress: Sequence[Said]) -> None:
        """Write log lines and progress of running jobs, and tell the pages."""
        calls = [
            Invocation(
                script("progress"), (), (said.job.id, said.job.execution, said.text)
            )
            for said in progress
        ]
        with _translated():
            if calls:
                await send_async(self._client, calls)
            async with self._client.pipeline(transaction=False) as pipeline:
                for said in logs:
                    key = keys.log(said.job.id)
                    entry: dict[Any, Any] = {
                        "exec": said.job.execution,
                        "at": said.at,
                        "line": as_bytes(said.text),
                    }
                    pipeline.xadd(key, entry, maxlen=LOG_ENTRIES, approximate=True)
                    pipeline.expire(key, LOG_TTL)
                for job in {
                    said.job.id: said.job for said in (*logs, *progress)
                }.values():
                    change = {"kind": "progress", "job": job.id, "queue": job.queue}
                    pipeline.publish(keys.LIVE, json.dumps(change))
                answers = await pipeline.execute(raise_on_error=False)
            _raise_unless_full(answers)

    async def commands(self) -> AsyncIterator[dict[str, Any]]:
        """Yield RQ's commands to this worker, until the connection breaks."""
        with _translated():
            own = keys.worker_commands(self.worker)
            async for message in listen(own, keys.CONTROL):
                command = _parse_command(message)
                if command:
                    yield command


def _pause(jobs: int, at_once: int, within: float) -> float:
    """Return the seconds between two calls, so that all take that long together."""
    return within * at_once / jobs if jobs > at_once else 0.0


def _by_queue(
    jobs: Sequence[Claimed], size: int
) -> Iterator[tuple[str, list[Claimed]]]:
    """Yield jobs in pieces of one queue each; looks at `size` jobs at a time, so that
    many thousands do not hold up the loop."""
    for start in range(0, len(jobs), size):
        pieces: dict[str, list[Claimed]] = {}
        for job in jobs[start : start + size]:
            pieces.setdefault(job.queue, []).append(job)
        yield from pieces.items()


def _raise_unless_full(answers: Sequence[Any]) -> None:
    """Raise what went wrong; lines that a full Redis refused are dropped."""
    errors = [answer for answer in answers if isinstance(answer, Exception)]
    refused = [error for error in errors if isinstance(error, OutOfMemoryError)]
    if len(errors) > len(refused):
        raise next(error for error in errors if error not in refused)
    if refused:
        logger.warning("%s log lines are dropped: Redis is full", len(refused))


class _translated(contextlib.AbstractContextManager[None]):
    """Raise what redis-py raises as BrokerUnavailable."""

    def __exit__(
        self, kind: object, error: BaseException | None, trace: object
    ) -> None:
        if isinstance(error, REDIS_ERRORS) and not isinstance(error, _OURS):
            raise BrokerUnavailable(error) from error


#: Fields of a worker's entry that are only there while they say something.
_PASSING = {"death", "current_job", "ty:quiet", "ty:breakers"}

_OURS = (redis.exceptions.DataError,)


def _parse_command(data: bytes) -> dict[str, Any] | None:
    try:
        command = json.loads(data)
    except ValueError:
        command = None
    if isinstance(command, dict):
        return command
    logger.warning("a command that is not JSON was ignored: %r", data[:200])
    return None
