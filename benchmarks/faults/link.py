"""One connection of a client to Redis, led through the proxy."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.faults.resp import Command, CommandReader

#: Bytes read at once, and pieces that may wait in a slow direction.
CHUNK, MOST_WAITING = 64 * 1024, 1_000

#: The end of what is sent one way.
_END = b""

#: SO_LINGER, zero seconds: a close that the other side sees as a reset.
_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Side:
    """One end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def reset(self) -> None:
        """Break the connection, so that the other side notices at once."""
        found: socket.socket | None = self.writer.get_extra_info("socket")
        if found is not None and found.family != socket.AF_UNIX:
            with contextlib.suppress(OSError):
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.writer.transport.abort()

    def close_way(self) -> None:
        """Say that nothing more will be sent; the other direction goes on."""
        with contextlib.suppress(OSError, RuntimeError):
            self.writer.write_eof()


class Pipe:
    """One direction: what is put in comes out in order, each piece when it is due."""

    def __init__(self, out: asyncio.StreamWriter) -> None:
        self._out = out
        self._pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(MOST_WAITING)
        self.ended = asyncio.Event()

    async def put(self, piece: bytes, delay: float = 0.0) -> None:
        due = asyncio.get_running_loop().time() + delay
        await self._pieces.put((due, piece))

    async def run(self) -> None:
        """Write until the end has been put in."""
        loop = asyncio.get_running_loop()
        try:
            while (found := await self._pieces.get())[1] != _END:
                await asyncio.sleep(max(0.0, found[0] - loop.time()))
                self._out.write(found[1])
                await self._out.drain()
        finally:
            self.ended.set()


class Link:
    """Carries what a client and Redis say to each other, until a fault breaks it."""

    def __init__(
        self,
        client: Side,
        redis: Side,
        note: Callable[[Sequence[Command]], bytes],
        delay: Callable[[], float],
    ) -> None:
        self._client, self._redis = client, redis
        #: Told of what the client sent; says what of it may go on.
        self._note, self._delay = note, delay
        self._to_redis, self._to_client = Pipe(redis.writer), Pipe(client.writer)
        self._is_silent = self._is_half_closed = self._is_draining = False
        self._redis_ended, self._broken = asyncio.Event(), asyncio.Event()

    async def run(self) -> None:
        """Carry until both sides are done, or until the link is broken."""
        flows = [self._hear_client(), self._hear_redis()]
        flows += [self._to_redis.run(), self._to_client.run()]
        tasks = [asyncio.create_task(flow) for flow in flows]
        breaking = asyncio.create_task(self._broken.wait())
        await asyncio.wait((breaking,))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.exception()  # a broken connection has been acted on

    # The faults.

    def silence(self) -> None:
        self._is_silent = True

    def half_close(self) -> None:
        self._is_half_closed = True
        self._client.close_way()

    def reset(self) -> None:
        self._client.reset()
        self._redis.writer.close()
        self._broken.set()

    def stop_hearing(self) -> None:
        """Let nothing more through, either way, but what has been heard already."""
        self._is_draining = True

    async def drain(self, within: float) -> None:
        """Have Redis execute what has been heard."""
        await self._to_redis.put(_END)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._to_redis.ended.wait()
                self._redis.close_way()
                await self._redis_ended.wait()

    # The two directions.

    async def _hear_client(self) -> None:
        commands = CommandReader()
        with contextlib.suppress(OSError):
            while data := await self._client.reader.read(CHUNK):
                if self._is_draining or self._is_silent:
                    continue
                passed = self._note(commands.feed(data))
                if passed:
                    await self._to_redis.put(passed, self._delay())
        if not self._is_silent:
            await self._to_redis.put(_END)
            await self._to_redis.ended.wait()
            self._end()

    async def _hear_redis(self) -> None:
        with contextlib.suppress(OSError):
            while data := await self._redis.reader.read(CHUNK):
                if not (self._is_silent or self._is_draining or self._is_half_closed):
                    await self._to_client.put(data, self._delay())
        self._redis_ended.set()
        if not (self._is_silent or self._is_draining):
            await self._to_client.put(_END)
            await self._to_client.ended.wait()
            self._end()

    def _end(self) -> None:
        self._client.writer.close()
        self._redis.writer.close()
        self._broken.set()
