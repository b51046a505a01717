"""A worker's end of one child process: jobs on their way there, and what comes back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tasks.worker import frames
from tasks.worker.calls import (
    JobTimedOut,
    MemoryExceeded,
    Outcome,
    OutputExceeded,
    ProcessDied,
    failed,
    stopped,
)
from tasks.worker.deadline import LAST_WORDS
from tasks.worker.family import excess_of, kill_family, kill_group
from tasks.worker.programs import Process, death

logger = logging.getLogger(__name__)

#: Seconds that a child may take to start.
START_TIMEOUT = 60.0

#: Seconds between two looks at how much memory a job holds.
MEASURE_EVERY = 1.0

#: Seconds that the last words of a child that ended may take to arrive.
LAST_READ = 0.2


Launch = Callable[[int, int], Awaitable[Process]]


@dataclass(eq=False, slots=True)
class Errand:
    """One job for a child, and who hears of it."""

    request: dict[str, Any]
    data: bytes
    #: Seconds that the child may take, None for any time; callbacks bring more.
    limit: float | None
    #: Told how it ended, and when it began (None where nobody knows).
    ended: Callable[[Outcome, float | None], None]
    hear: Callable[[str, dict[str, Any]], None]
    #: Bytes that the child may hold meanwhile, with all that it starts; 0: any.
    memory: int = 0
    #: Since when it waits for a child, in seconds of time.monotonic().
    since: float = field(default_factory=time.monotonic)
    stopping: bool = False
    #: Set when it is to end, whether or not it has begun.
    is_doomed: bool = False
    child: ChildProcess | None = None

    def allow(self, seconds: float) -> None:
        """Give a callback that begins its own time; a negative one is any."""
        if self.limit is not None:
            self.limit = self.limit + seconds if seconds >= 0 else None


@dataclass(eq=False)
class ChildProcess(asyncio.Protocol):
    """One warm process, and the errands it was sent, the one that runs first.

    Each errand comes with a token in a pipe that the child takes before it begins. The
    worker can take tokens back: as many of the last errands will not be begun.
    """

    #: Starts the process, with the socket and the pipe that it is given.
    launch: Launch
    #: Told when an errand ended, and when the process is gone, with errands not begun.
    changed: Callable[[ChildProcess], None]
    gone: Callable[[ChildProcess, list[Errand]], None]
    errands: deque[Errand] = field(default_factory=deque)
    rss: int = 0
    #: Errands that it has ended.
    served: int = 0
    #: Seconds that errands took lately.
    usual: float = 1.0
    #: When the first errand began, in seconds of time.monotonic().
    begun: float = 0.0
    is_ready: bool = False
    _recalled: int = 0
    #: Bytes that it held when the first errand began, and when they were last measured.
    _held_before: int = 0
    _measured_at: float = 0.0
    #: The errand for which it is killed, and why, where that is the failure of its job.
    _target: Errand | None = None
    _offence: Exception | None = None

    async def start(self) -> bool:
        """Start the process; returns whether it came up."""
        loop = asyncio.get_running_loop()
        self._splitter = frames.Splitter()
        self._came_up, self._lost = loop.create_future(), loop.create_future()
        ours, theirs = socket.socketpair()
        self._take, self._give = os.pipe()
        os.set_blocking(self._take, False)
        with theirs, contextlib.ExitStack() as undo:
            undo.callback(self._close_pipe)
            undo.callback(ours.close)
            self._transport, _ = await loop.create_connection(lambda: self, sock=ours)
            undo.callback(self._transport.close)
            self.process = await self.launch(theirs.fileno(), self._take)
            undo.pop_all()
        # A process that it forked may hold the socket open: the exit is what counts.
        self._ending = asyncio.create_task(self._end())
        await asyncio.wait((self._came_up,), timeout=START_TIMEOUT)
        return self.is_ready

    @property
    def is_recalling(self) -> bool:
        """Whether errands taken back are still on their way: no new ones may follow."""
        return self._recalled > 0

    # Errands.

    def send(self, errands: list[Errand]) -> None:
        """Send errands, to be run in this order."""
        if not self.errands:
            self.begun = time.monotonic()
        for errand in errands:
            errand.child = self
            self.errands.append(errand)
        packed = [frames.pack(errand.request, errand.data) for errand in errands]
        os.write(self._give, b"." * len(errands))
        self._transport.write(b"".join(packed))

    def recall(self) -> list[Errand]:
        """Take back, in order, what the child has not begun."""
        taken = self._take_tokens()
        self._recalled += taken
        errands = [self.errands.pop() for _number in range(taken)]
        errands.reverse()
        for errand in errands:
            errand.child = None
        return errands

    def _take_tokens(self) -> int:
        if len(self.errands) < 2 and self.process.returncode is None:
            return 0
        try:
            return len(os.read(self._take, 65_536))
        except BlockingIOError:
            return 0

    def is_overdue(self, now: float) -> bool:
        limit = self.errands[0].limit if self.errands else None
        return limit is not None and now - self.begun > limit + LAST_WORDS

    def time_out(self) -> None:
        """Kill a child whose task did not heed its timeout."""
        errand = self.errands[0]
        self.end(errand, JobTimedOut(errand.request["timeout"] or 0))

    def check_memory(self, now: float) -> None:
        """Kill the child if its job holds more memory than it may.

        What the child held before does not count.
        """
        limit = self.errands[0].memory if self.errands else 0
        if not limit or now - self._measured_at < MEASURE_EVERY:
            return
        self._measured_at = now
        held = excess_of(self.process.pid, limit + self._held_before)
        if held:
            more = held - self._held_before
            self.end(self.errands[0], MemoryExceeded(more, limit))

    def end(self, errand: Errand, offence: Exception | None = None) -> None:
        """Kill the child for the sake of one errand, the one that runs."""
        self._target, self._offence = errand, offence
        self.kill()

    def kill(self) -> None:
        """Kill the child and all that it started."""
        if self.process.returncode is None:
            kill_family(self.process.pid)
        else:  # its id may belong to another process by now
            kill_group(self.process.pid)

    async def close(self) -> None:
        self.kill()
        await self._ending

    # What the child says.

    def data_received(self, data: bytes) -> None:
        try:
            for message, _bytes in self._splitter.feed(data):
                self._hear(message.pop("kind"), message)
        except (frames.FrameTooLong, ValueError):
            self.kill()

    def _hear(self, kind: str, message: dict[str, Any]) -> None:
        if kind == "done":
            self._note_end(message)
        elif kind == "skipped":
            self._recalled -= 1
            if not self._recalled:
                self.changed(self)
        elif kind == "ready":
            self.is_ready, self._held_before = True, message["rss"]
            self._came_up.set_result(None)
        elif kind == "calling" and self.errands:
            self.errands[0].allow(message["seconds"])
        elif kind == "exceeded":
            self._end_talker(message["job"])
        elif self.errands:
            self.errands[0].hear(kind, message)

    def _end_talker(self, job_id: str) -> None:
        """Kill the child if the job that wrote too much still runs.

        A thread may write on after its job has ended.
        """
        errand = self.errands[0] if self.errands else None
        if errand and errand.request["id"] == job_id:
            self.end(errand, OutputExceeded(errand.request["output"]))

    def _note_end(self, message: dict[str, Any]) -> None:
        now = time.monotonic()
        self.usual += 0.2 * (now - self.begun - self.usual)
        self.begun = now
        self.rss = self._held_before = message["rss"] or self.rss
        self.served += 1
        errand = self.errands.popleft()
        errand.child = None
        errand.ended(Outcome(**message["outcome"]), message["started"])
        self.changed(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._lost.set_result(None)

    async def _end(self) -> None:
        code = await self.process.wait()
        await asyncio.wait((self._lost,), timeout=LAST_READ)
        await asyncio.sleep(0)  # asyncio's own end of the process closes now
        self.kill()  # what it forked
        self._transport.close()
        if not self._came_up.done():
            logger.error("a child process ended at its start: %s", death(code))
            self._came_up.set_result(None)
        not_begun = self.recall()
        self._close_pipe()
        over = [*self.errands, *(errand for errand in not_begun if errand.is_doomed)]
        self.errands.clear()
        for errand in over:
            errand.child = None
            errand.ended(self._outcome(errand, code), None)
        self.gone(self, [errand for errand in not_begun if not errand.is_doomed])

    def _outcome(self, errand: Errand, code: int) -> Outcome:
        if errand.stopping:
            return stopped()
        if self._target not in (None, errand):
            # It began while the child was being killed for the one before it.
            return Outcome("handback")
        return failed(self._offence or ProcessDied(death(code)))

    def _close_pipe(self) -> None:
        os.close(self._take)
        os.close(self._give)
