"""A connection to Redis that is lost while a worker holds it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import redis
import uvloop
from hiredis import pack_command

from tasks.broker.client import make_async_client


async def write_after_loss() -> None:
    async with make_async_client() as client:
        connection = await client.connection_pool.get_connection()  # type: ignore[no-untyped-call]
        connection._writer.transport.abort()
        await asyncio.sleep(0)
        await connection.send_packed_command(pack_command(("PING",)))
        await connection.read_response()


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run])
def test_writing_to_a_lost_connection_says_so(
    run: Callable[[Coroutine[Any, Any, None]], None],
) -> None:
    with pytest.raises(redis.ConnectionError):
        run(write_after_loss())
