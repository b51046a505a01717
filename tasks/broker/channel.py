"""Hearing what is published, on a connection that is known to live."""

from __future__ import annotations

from collections.abc import AsyncIterator

import redis

from tasks.broker.client import ANSWER_TIMEOUT, make_async_client

#: Seconds after which a silent connection is tested.
QUIET = 5.0


async def listen(*channels: str) -> AsyncIterator[bytes]:
    """Yield messages as they come; raises what redis-py does when the connection breaks.

    One that is silent is asked for a sign of life: a connection whose other end is gone
    without a word would otherwise be listened to for ever.
    """
    async with make_async_client() as client, client.pubsub() as pubsub:
        await pubsub.subscribe(*channels)
        was_asked = False
        while True:
            patience = ANSWER_TIMEOUT if was_asked else QUIET
            message = await pubsub.get_message(timeout=patience)
            if message is None and was_asked:
                raise redis.TimeoutError("the channel gave no sign of life")
            was_asked = message is None
            if message is None:
                await pubsub.ping()
            elif message["type"] == "message":
                yield message["data"]
