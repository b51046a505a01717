"""Renders a watched page once for everybody who watches it, and hands it out.

One hub per web process. It hears of changes in Redis, and at most once a second renders
each distinct watch (page, language, permissions, zone) in a thread; who already has the
same text gets nothing. Time passes without any change too (a worker falls silent), so
every watch is looked at again every few seconds.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from tasks.errors import BrokerUnavailable

logger = logging.getLogger(__name__)

#: Seconds between two renderings of the same watch, at least.
MIN_INTERVAL = 1.0

#: Seconds after which a watch is rendered although nothing changed.
IDLE_INTERVAL = 5.0

#: A refresh may take one part in so many of the process's time.
REST = 4

#: Seconds until the hub listens again after Redis stopped answering.
RELISTEN_AFTER = 1.0

#: Messages that wait for a client; a slow one loses the older, as each is a whole state.
QUEUE_SIZE = 2

#: Threads that render; more would only fight for the interpreter.
RENDER_THREADS = 2


@dataclass(frozen=True)
class Watch:
    """What is watched, and with whose eyes; equal watches share one rendering."""

    path: str
    query: str
    language: str
    permissions: frozenset[str] | None
    #: The time zone in which its times are written; "" where it shows none of a viewer's.
    zone: str = ""


#: Renders a watch; None where the page is gone or may not be seen.
Render = Callable[[Watch], str | None]
Changes = Callable[[], AsyncIterator[object]]


def _nothing() -> None:
    """Prepare nothing before a refresh."""


@dataclass(eq=False)
class Client:
    """One open stream; `box` holds texts to send, None ends it."""

    watch: Watch
    user_id: object
    box: asyncio.Queue[str | None] = field(
        default_factory=lambda: asyncio.Queue(QUEUE_SIZE)
    )
    last: str | None = None

    def offer(self, text: str | None) -> None:
        """Put a text into the box unless it came last; drop the oldest where full."""
        if text is not None and text == self.last:
            return
        self.last = text
        if self.box.full():
            self.box.get_nowait()
        self.box.put_nowait(text)


class Hub:
    """The clients of one event loop, and the two tasks that serve them."""

    def __init__(
        self, render: Render, changes: Changes, prepare: Callable[[], None] = _nothing
    ) -> None:
        self._render = render
        self._changes = changes
        self._prepare = prepare
        self._clients: dict[Watch, set[Client]] = {}
        self._stirred = asyncio.Event()
        self._threads = ThreadPoolExecutor(RENDER_THREADS, thread_name_prefix="live")
        self._tasks: list[asyncio.Task[None]] = []

    def count(self, user_id: object) -> int:
        """Return how many streams a user has open."""
        clients = (client for group in self._clients.values() for client in group)
        return sum(client.user_id == user_id for client in clients)

    def subscribe(self, watch: Watch, user_id: object) -> Client:
        """Open a client; what it watches is rendered for it at once."""
        client = Client(watch, user_id)
        self._clients.setdefault(watch, set()).add(client)
        self._start()
        self._stirred.set()
        return client

    def unsubscribe(self, client: Client) -> None:
        group = self._clients.get(client.watch, set())
        group.discard(client)
        if not group:
            self._clients.pop(client.watch, None)
        if not self._clients:
            self._stop()

    async def refresh(self) -> None:
        """Render every watch once and give what is new to its clients."""
        self._prepare()
        await asyncio.gather(*(self._refresh(watch) for watch in list(self._clients)))

    async def _refresh(self, watch: Watch) -> None:
        loop = asyncio.get_running_loop()
        try:
            text = await loop.run_in_executor(self._threads, self._render, watch)
        except Exception:
            # One broken page must not silence the others.
            logger.exception("Rendering %s for its viewers failed", watch.path)
            return
        for client in self._clients.get(watch, ()):
            client.offer(text)

    def _start(self) -> None:
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._listen(), name="live-listen"),
                asyncio.create_task(self._serve(), name="live-serve"),
            ]

    def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks = []

    async def _serve(self) -> None:
        """Refresh at once after a quiet time, then at most once a second."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stirred.wait(), IDLE_INTERVAL)
            self._stirred.clear()
            began = time.monotonic()
            await self.refresh()
            await asyncio.sleep(max(MIN_INTERVAL, REST * (time.monotonic() - began)))

    async def _listen(self) -> None:
        """Be stirred by each change, and by an outage, which is one too."""
        while True:
            try:
                async for _change in self._changes():
                    self._stirred.set()
            except BrokerUnavailable as error:
                logger.debug("Live updates wait for Redis: %s", error)
            self._stirred.set()
            await asyncio.sleep(RELISTEN_AFTER)
