"""The locks of stock schedulers, which ours hold so that those stand back.

RQ's own (`rq worker --with-scheduler`) has one for each queue, rq-scheduler's has one. Both
move jobs in several steps, so that beside each other, or beside ours, one may be queued
twice. Ours need no lock: they share these, under one name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import redis
from rq.scripts import release_lock

from tasks.broker import keys
from tasks.broker.writes import write

#: What the locks say of who has them.
OWNER = "taskyard"

#: Seconds after which a lock that nobody holds any more ends, as RQ's do; and between two
#: times that they are taken, also from a stock scheduler, which notices and stands back.
ENDS_AFTER, HOLD_EVERY = 61, 5.0


def hold(client: redis.Redis) -> None:
    """Take the locks, or keep them. Raises what redis-py raises."""
    write([("SET", key, OWNER, "EX", ENDS_AFTER) for key in _locks(client)], client)


def release(client: redis.Redis) -> None:
    """Give back those locks that are ours. Raises what redis-py raises."""
    for key in _locks(client):
        release_lock(client, key, OWNER)


def _locks(client: redis.Redis) -> Iterator[str]:
    yield keys.STOCK_LOCK
    members: Any = client.smembers(keys.QUEUES)
    prefix = keys.queue("")
    for member in sorted(members):
        name = member.decode("utf-8", "replace")
        yield keys.stock_lock(name.removeprefix(prefix))
