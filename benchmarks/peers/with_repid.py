from __future__ import annotations

import logging
import os
from typing import Any

import uvloop
from repid import Repid, Router
from repid.connections.redis import RedisServer

from benchmarks import marks

app = Repid()
server = RedisServer(os.environ["REDIS_URL"])
app.servers.register_server("default", server, is_default=True)
router = Router()


@router.actor(channel="benchmark")
async def mark(number: int) -> None:
    marks.mark(number)


@router.actor(channel="benchmark")
async def note(number: int) -> None:
    marks.note(number)


app.include_router(router)
_connection: Any = None


async def open() -> None:
    global _connection
    _connection = server.connection()
    await _connection.__aenter__()


async def enqueue(name: str, number: int) -> None:
    await app.send_message_json(
        channel="benchmark", payload={"number": number}, headers={"topic": name}
    )


async def close() -> None:
    await _connection.__aexit__(None, None, None)


async def main() -> None:
    async with server.connection():
        await app.run_worker(tasks_limit=1000)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    uvloop.run(main())
