"""Leases in Redis, looked up by the executions that they belong to."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import redis.asyncio

from tasks.broker import keys
from tasks.broker.attempts import CLAIMED_FIELDS, Claimed

#: Leases that one call looks at: no call may hold Redis for long.
AT_ONCE = 500


async def find_leases(
    client: redis.asyncio.Redis, queues: Sequence[str], executions: Collection[str]
) -> list[Claimed]:
    """Return the jobs of `queues` whose leases belong to one of the executions.

    Only what ends an attempt is known of them.
    """
    found = []
    for queue in queues:
        async for member, _end in client.zscan_iter(keys.lease(queue), count=AT_ONCE):
            job_id, _colon, execution = member.decode().rpartition(":")
            if execution in executions:
                found.append(await _claimed(client, job_id, execution, queue))
    return found


async def _claimed(
    client: redis.asyncio.Redis, job_id: str, execution: str, queue: str
) -> Claimed:
    attempts = await client.hget(keys.job(job_id), "ty:attempts")
    nothing = [None] * len(CLAIMED_FIELDS)
    member = f"{job_id}:{execution}"
    return Claimed(job_id, execution, queue, int(attempts or 1), member, nothing)
