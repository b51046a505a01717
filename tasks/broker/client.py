"""Connections to Redis, with every wait bounded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry

from tasks.conf import get_config
from tasks.errors import BrokerUnavailable

#: Seconds to wait for a connection and for an answer. redis-py 8.1's own defaults wait
#: up to 59 s and send a push again, so both are chosen here.
CONNECT_TIMEOUT = 0.5
ANSWER_TIMEOUT = 2.0

#: What redis-py raises when Redis is away, slow, full or still loading its log.
REDIS_ERRORS = (redis.RedisError, OSError)


def connection_options(answer_timeout: float | None = ANSWER_TIMEOUT) -> dict[str, Any]:
    return {
        "socket_connect_timeout": CONNECT_TIMEOUT,
        "socket_timeout": answer_timeout,
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
    }


@cache
def get_client() -> redis.Redis:
    """Return this process's client: bounded waits, no retries."""
    return redis.Redis.from_url(get_config().broker_url(), **connection_options())


def make_async_client(
    answer_timeout: float | None = ANSWER_TIMEOUT, connections: int | None = None
) -> redis.asyncio.Redis:
    """Return a new asyncio client; a blocking read needs a longer answer timeout."""
    options = connection_options(answer_timeout)
    options["retry"] = redis.asyncio.retry.Retry(NoBackoff(), 0)
    return redis.asyncio.Redis.from_url(
        get_config().broker_url(), max_connections=connections, **options
    )


@contextmanager
def broker_errors() -> Iterator[None]:
    """Raise what redis-py raises as BrokerUnavailable."""
    try:
        yield
    except REDIS_ERRORS as error:
        raise BrokerUnavailable(error) from error
