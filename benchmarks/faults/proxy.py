"""A proxy in front of Redis that does to its clients what networks do.

    with Proxy(redis_url) as proxy:
        start_worker(REDIS_URL=proxy.url)
        proxy.silence()  # what is sent is swallowed, and nobody is told
        proxy.mend()  # new connections work again

It runs on a thread of its own. A fault holds when the method that makes it has returned.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from benchmarks.faults.link import Link, Side
from benchmarks.faults.resp import Command

#: Seconds that Redis gets to execute what was sent before a cut.
EXECUTE_WITHIN = 10.0

#: Seconds that the proxy's own thread may take to obey.
OBEY_WITHIN = 20.0


class Mode(Enum):
    PASS = auto()
    SILENCE = auto()
    RESET = auto()
    HALF_CLOSE = auto()


@dataclass(frozen=True)
class Cut:
    """Where every connection is to be broken."""

    #: The command that is the last: so many will have been seen with it.
    at: int
    #: Whether that command still reaches Redis; its answer never comes back.
    reached: bool
    #: Called when Redis has executed what reached it, before any client notices.
    then: Callable[[], object]


class Proxy:
    """Stands between clients and the Redis of `upstream`, a redis:// or unix:// URL."""

    def __init__(self, upstream: str, listen: Path | None = None) -> None:
        self._upstream = urlsplit(upstream)
        #: The path of a socket to listen on; None: a free port of loopback.
        self._listen = listen
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._port = 0
        self._links: dict[Link, asyncio.Task[None]] = {}
        self._mode, self._delay = Mode.PASS, 0.0
        self._cut: Cut | None = None
        self._has_cut = threading.Event()
        self._cutting: asyncio.Task[None] | None = None
        #: Every command that clients sent, in the order of its arrival.
        self.seen: list[Command] = []

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._open())
        return self

    def __exit__(self, *_error: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        """Where clients find the proxy, with the login and the database of Redis."""
        login, at, _host = self._upstream.netloc.rpartition("@")
        query = f"?{self._upstream.query}" if self._upstream.query else ""
        if self._listen:
            return f"unix://{login}{at}{self._listen}{query}"
        path = "" if self._upstream.scheme == "unix" else self._upstream.path
        return f"redis://{login}{at}127.0.0.1:{self._port}{path}{query}"

    @property
    def names(self) -> list[str]:
        """The names of the commands that clients sent."""
        return [command.name for command in self.seen]

    # The faults.

    def delay(self, seconds: float) -> None:
        """Let everything arrive so much later, both ways."""
        self._do(self._change(Mode.PASS, seconds))

    def silence(self) -> None:
        """Swallow what is sent, both ways, without a word to either side.

        A connection that was open then stays silent for ever.
        """
        self._do(self._change(Mode.SILENCE))

    def reset(self) -> None:
        """Break every connection, and each new one."""
        self._do(self._change(Mode.RESET))

    def half_close(self) -> None:
        """Close the way back to the clients; what they send still reaches Redis."""
        self._do(self._change(Mode.HALF_CLOSE))

    def mend(self) -> None:
        """Let new connections work, and those that no fault has broken."""
        self._do(self._change(Mode.PASS))

    def cut_after(
        self,
        count: int,
        *,
        reached: bool = True,
        then: Callable[[], object] = lambda: None,
    ) -> None:
        """Break all connections, once, at the `count`-th command from now."""

        async def arm() -> None:
            self._has_cut.clear()
            self._cut = Cut(len(self.seen) + count, reached, then)

        self._do(arm())

    def wait_for_cut(self, timeout: float) -> bool:
        """Wait until the cut has been made; say whether it was."""
        return self._has_cut.wait(timeout)

    def forget(self) -> None:
        """Forget what was seen, and a cut that was not made."""

        async def clear() -> None:
            self.seen.clear()
            self._cut = None

        self._do(clear())

    # On the proxy's own thread.

    def _do(self, act: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(act, self._loop).result(OBEY_WITHIN)

    async def _open(self) -> None:
        if self._listen:
            self._server = await asyncio.start_unix_server(self._serve, self._listen)
        else:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self._port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server:
            self._server.close()
        tasks = list(self._links.values())
        for link in tuple(self._links):
            link.reset()
        if tasks:
            await asyncio.wait(tasks)

    async def _change(self, mode: Mode, delay: float = 0.0) -> None:
        self._mode, self._delay = mode, delay
        for link in tuple(self._links):
            self._afflict(link)

    def _afflict(self, link: Link) -> None:
        if self._mode is Mode.SILENCE:
            link.silence()
        elif self._mode is Mode.RESET:
            link.reset()
        elif self._mode is Mode.HALF_CLOSE:
            link.half_close()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        client = Side(reader, writer)
        try:
            redis = Side(*await self._connect())
        except OSError:
            client.reset()
            return
        link = Link(client, redis, self._note, lambda: self._delay)
        self._links[link] = asyncio.create_task(link.run())
        self._links[link].add_done_callback(lambda _task: self._links.pop(link))
        self._afflict(link)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._upstream.scheme == "unix":
            return await asyncio.open_unix_connection(unquote(self._upstream.path))
        host, port = self._upstream.hostname or "127.0.0.1", self._upstream.port or 6379
        return await asyncio.open_connection(host, port)

    def _note(self, commands: Sequence[Command]) -> bytes:
        """Count what a client sent; return what of it may go on to Redis."""
        passed = []
        for command in commands:
            self.seen.append(command)
            cut = self._cut
            if cut is None or len(self.seen) < cut.at:
                passed.append(command.raw)
                continue
            if cut.reached:
                passed.append(command.raw)
            self._begin(cut)
            break
        return b"".join(passed)

    def _begin(self, cut: Cut) -> None:
        links = tuple(self._links)
        for link in links:
            link.stop_hearing()
        self._cut = None
        self._cutting = asyncio.create_task(self._sever(cut, links))

    async def _sever(self, cut: Cut, links: Sequence[Link]) -> None:
        """Break links when Redis has executed what came before the cut."""
        await asyncio.gather(*(link.drain(EXECUTE_WITHIN) for link in links))
        await asyncio.to_thread(cut.then)
        for link in links:
            link.reset()
        self._has_cut.set()
