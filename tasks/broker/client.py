"""Connections to Redis, with every wait bounded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from tasks.conf import get_config
from tasks.errors import BrokerSilent, BrokerUnavailable

#: Seconds to wait for a connection and for an answer. redis-py 8.1's own defaults wait
#: up to 59 s and send a push again, so both are chosen here.
CONNECT_TIMEOUT = 0.5
ANSWER_TIMEOUT = 2.0

#: Seconds for which nobody waits again for a Redis that did not answer in time: a page
#: that asks it five times waits for it once.
SILENT_FOR = 1.0

#: What redis-py raises when Redis is away, slow, full or still loading its log.
REDIS_ERRORS = (redis.RedisError, OSError)


def connection_options(answer_timeout: float | None = ANSWER_TIMEOUT) -> dict[str, Any]:
    return {
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_timeout": answer_timeout,
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
    }


@dataclass
class Waits:
    """How long this process waits for an answer, and when it last did in vain."""

    answer_timeout: float = ANSWER_TIMEOUT
    silent_until: float = float("-inf")

    def note_silence(self) -> None:
        self.silent_until = time.monotonic() + SILENT_FOR

    def refuse_while_silent(self) -> None:
        """Raise BrokerSilent where somebody waited in vain a moment ago."""
        if time.monotonic() < self.silent_until:
            raise BrokerSilent


waits = Waits()


@cache
def get_client() -> redis.Redis:
    """Return this process's client: bounded waits, no retries."""
    options = connection_options(waits.answer_timeout)
    return redis.Redis.from_url(get_config().broker_url(), **options)


def make_async_client(
    answer_timeout: float | None = ANSWER_TIMEOUT, connections: int | None = None
) -> redis.asyncio.Redis:
    """Return a new asyncio client; a blocking read needs a longer answer timeout."""
    options = connection_options(answer_timeout)
    options["retry"] = redis.asyncio.retry.Retry(NoBackoff(), 0)
    client = redis.asyncio.Redis.from_url(
        get_config().broker_url(), max_connections=connections, **options
    )
    pool = client.connection_pool
    pool.connection_class = _losable(pool.connection_class)
    return client


class _LosableConnection:
    """Has redis-py tell of a lost connection as it does elsewhere.

    Where one writes after the loss was noticed, uvloop raises RuntimeError, asyncio nothing.
    """

    async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        try:
            await super().send_packed_command(*args, **kwargs)  # type: ignore[misc]
        except RuntimeError as error:
            raise redis.ConnectionError(str(error)) from error


def _losable(base: type) -> type:
    return type(base.__name__, (_LosableConnection, base), {})


@contextmanager
def broker_errors(*, must_try: bool = False) -> Iterator[None]:
    """Raise what redis-py raises as BrokerUnavailable.

    For a moment after a timeout that is raised at once, except where one `must_try`.
    """
    if not must_try:
        waits.refuse_while_silent()
    try:
        yield
    except REDIS_ERRORS as error:
        if isinstance(error, (redis.TimeoutError, TimeoutError)):
            waits.note_silence()
            raise BrokerSilent from error
        raise BrokerUnavailable(error) from error
