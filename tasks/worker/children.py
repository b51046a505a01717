"""The warm child processes of a worker: one sync job each, killable alone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tasks.conf import PROJECT_ROOT
from tasks.text import gettext as _
from tasks.worker import frames
from tasks.worker.callbacks import CALLBACK_TIMEOUT
from tasks.worker.calls import JobTimedOut, Outcome, ProcessDied, failed, stopped
from tasks.worker.child import LAST_WORDS

logger = logging.getLogger(__name__)

#: A child that holds more memory after a job is replaced, in bytes.
MEMORY_LIMIT = 512 * 1024 * 1024

#: Seconds before a child that died at its start is tried again.
RESTART_PAUSE = 1.0

Hear = Callable[[str, dict[str, Any]], None]


@dataclass(eq=False)
class Child:
    """One warm process."""

    process: asyncio.subprocess.Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    stopping: bool = False
    overdue: bool = False
    rss: int = 0

    def kill(self) -> None:
        """Kill the child and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    async def run(self, request: dict[str, Any], hear: Hear) -> Outcome:
        """Run one job; `hear` gets what the task says meanwhile."""
        self.stopping = self.overdue = False
        timeout = request["timeout"]
        calls_back = bool(request["on_success"] or request["on_failure"])
        last_words = LAST_WORDS + (CALLBACK_TIMEOUT if calls_back else 0)
        try:
            async with asyncio.timeout(timeout and timeout + last_words):
                return await self._exchange(request, hear)
        except TimeoutError:
            self.overdue = True
            self.kill()
            await self.process.wait()
            return failed(JobTimedOut(timeout))

    async def _exchange(self, request: dict[str, Any], hear: Hear) -> Outcome:
        self.writer.write(frames.pack(request))
        while (message := await frames.read(self.reader)) is not None:
            if message["kind"] == "done":
                self.rss = message["rss"]
                return Outcome(**message["outcome"])
            hear(message.pop("kind"), message)
        code = await self.process.wait()
        return stopped() if self.stopping else failed(ProcessDied(_death(code)))

    async def close(self) -> None:
        self.kill()
        self.writer.close()
        await self.process.wait()


def _death(code: int) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        text = _("the child process was ended by signal %(number)s (%(name)s)")
        return text % {"number": -code, "name": name}
    text = _("the child process ended with exit code %(code)s and without an answer")
    return text % {"code": code}


@dataclass
class ChildPool:
    """Keeps up to `size` children; starts the next one before it is needed."""

    size: int
    changed: Callable[[], None]
    _idle: list[Child] = field(default_factory=list)
    _busy: set[Child] = field(default_factory=set)
    _starting: set[asyncio.Task[None]] = field(default_factory=set)
    _closed: bool = False
    _freed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def free(self) -> int:
        """How many sync jobs could begin at once."""
        return len(self._idle)

    @property
    def running(self) -> int:
        return len(self._busy)

    @property
    def rss_bytes(self) -> int:
        return sum(child.rss for child in (*self._idle, *self._busy))

    def warm_up(self) -> None:
        """Start a child where none is idle and the pool is not full."""
        known = len(self._idle) + len(self._busy) + len(self._starting)
        if (
            not self._closed
            and self.size > known
            and not (self._idle or self._starting)
        ):
            task = asyncio.create_task(self._start())
            self._starting.add(task)
            task.add_done_callback(self._note_start)

    async def _start(self) -> None:
        try:
            child = await _spawn()
        except OSError as error:
            logger.error("a child process could not be started: %s", error)
            child = None
        if child is None:
            await asyncio.sleep(RESTART_PAUSE)
            return
        self._offer(child)

    def _note_start(self, task: asyncio.Task[None]) -> None:
        """Forget an attempt to start a child; where it failed, begin the next."""
        self._starting.discard(task)
        self.warm_up()

    def _offer(self, child: Child) -> None:
        self._idle.append(child)
        self._freed.set()
        self.changed()

    async def became_free(self) -> None:
        """Wait until a child is idle."""
        self._freed.clear()
        await self._freed.wait()

    def take(self) -> Child:
        """Take an idle child for one job; there must be one (`free`)."""
        child = self._idle.pop()
        self._busy.add(child)
        self.warm_up()
        return child

    async def give_back(self, child: Child) -> None:
        """Return a child after its job; replace one that died or grew too large."""
        self._busy.discard(child)
        alive = child.process.returncode is None
        if alive and child.rss < MEMORY_LIMIT and not self._closed:
            self._offer(child)
        else:
            if alive and not self._closed:
                logger.info("a child is replaced: it holds %s MB", child.rss >> 20)
            await child.close()
            self.warm_up()

    async def close(self) -> None:
        """Kill every child."""
        self._closed = True
        starting = tuple(self._starting)
        for task in starting:
            task.cancel()
        # Each ends the process that it was about to offer.
        await asyncio.gather(*starting, return_exceptions=True)
        for child in (*self._idle, *self._busy):
            await child.close()


def _python_path() -> str:
    known = os.environ.get("PYTHONPATH")
    return f"{PROJECT_ROOT}{os.pathsep}{known}" if known else str(PROJECT_ROOT)


async def _spawn() -> Child | None:
    """Start a child and wait until it is ready; None if it ended before."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # a tasks.py in the working folder must not hide ours
            "-m",
            "tasks.worker.child",
            str(theirs.fileno()),
            str(os.getpid()),
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": _python_path()},
        )
    reader, writer = await asyncio.open_connection(sock=ours)
    child = Child(process, reader, writer)
    try:
        ready = await frames.read(reader)
    except asyncio.CancelledError:
        await child.close()
        raise
    if ready is None:
        logger.error(
            "a child process ended at its start: %s", _death(await process.wait())
        )
        writer.close()
        return None
    return child
