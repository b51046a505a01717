"""The warm child processes of a worker: each runs one sync job at a time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tasks.worker.calls import Outcome, ProcessDied, failed, stopped
from tasks.worker.child_process import ChildProcess, Errand
from tasks.worker.forking import ForkServer
from tasks.worker.undertaker import Undertaker

logger = logging.getLogger(__name__)

#: A child that holds more bytes after a job is replaced, unless told otherwise.
MEMORY_LIMIT = 512 * 1024 * 1024

#: Seconds before a child that died at its start is tried again.
RESTART_PAUSE = 1.0

#: Seconds of work that a child may hold ahead, where jobs are short, and most jobs.
#: One at a time, a child would wait longer for its next job than a short one takes.
AHEAD, MOST_AHEAD = 0.01, 50

#: Seconds after which the errands behind a long one are given to other children.
LONG = 0.02

#: Seconds that an errand may wait for a child before its job goes back to the queue.
PATIENCE = 2.0

#: Seconds between two looks at timeouts.
WATCH_EVERY = 0.5


@dataclass
class ChildPool:
    """Keeps up to `size` children; starts the next one before it is needed."""

    size: int
    changed: Callable[[], None]
    #: A child that holds more bytes after a job is replaced.
    memory_limit: int = MEMORY_LIMIT
    #: So many jobs later too; 0: never for their number.
    jobs_limit: int = 0
    _fork_server: ForkServer = field(default_factory=ForkServer)
    _undertaker: Undertaker = field(default_factory=Undertaker)
    _children: list[ChildProcess] = field(default_factory=list)
    #: Children of others, who have them watched over here.
    _guests: list[ChildProcess] = field(default_factory=list)
    _starting: set[asyncio.Task[None]] = field(default_factory=set)
    _leaving: set[asyncio.Task[None]] = field(default_factory=set)
    _backlog: deque[Errand] = field(default_factory=deque)
    _dispatching: asyncio.Handle | None = None
    _watching: asyncio.TimerHandle | None = None
    _closed: bool = False

    @property
    def free(self) -> int:
        """How many sync jobs may be taken on now: none while every child has plenty.

        So short jobs come by the dozen, not one for each that ends.
        """
        room = sum(map(self._room, self._children)) - len(self._backlog)
        hungry = any(not c.errands and self._room(c) for c in self._children)
        return room if room > 0 and (hungry or room >= self.running) else 0

    @property
    def running(self) -> int:
        return len(self._backlog) + sum(len(child.errands) for child in self._children)

    @property
    def rss_bytes(self) -> int:
        return sum(child.rss for child in self._children)

    def run(self, errand: Errand) -> None:
        """Have an errand run as soon as a child is free; `errand.ended` is told."""
        self._backlog.append(errand)
        self._plan_dispatch()

    def end(self, errand: Errand) -> None:
        """End an errand, whether or not it has begun."""
        errand.is_doomed = True
        child = errand.child
        if child and child.errands[0] is errand:
            child.end(errand)
            return
        if child:
            self._backlog.extendleft(reversed(child.recall()))
        if errand in self._backlog:
            self._backlog.remove(errand)
            outcome = stopped() if errand.stopping else failed(ProcessDied())
            errand.ended(outcome, None)

    # Children come and go.

    def watch_over(self, child: ChildProcess) -> None:
        """Hold a child that is not of the pool to its limits of time and memory."""
        self._guests.append(child)
        self._note_groups()
        self._watch()

    def dismiss(self, child: ChildProcess) -> None:
        """Watch over it no more."""
        if child in self._guests:
            self._guests.remove(child)
            self._note_groups()

    def warm_up(self) -> None:
        """Start a child where none is idle and the pool is not full; the first two at once.

        A worker that has just begun, maybe in the place of a dead one, is soon whole.
        """
        at_once = 1 if self._children else 2
        while self._wants_child() and len(self._starting) < at_once:
            task = asyncio.create_task(self._start())
            self._starting.add(task)
            task.add_done_callback(self._note_start)

    def _wants_child(self) -> bool:
        known = len(self._children) + len(self._starting)
        idle = any(not child.errands for child in self._children)
        return not self._closed and self.size > known and not idle

    async def _start(self) -> None:
        child = ChildProcess(
            self._fork_server.launch, self._child_changed, self._child_gone
        )
        try:
            came_up = await child.start()
        except OSError as error:
            logger.error("a child process could not be started: %s", error)
            came_up = False
        except asyncio.CancelledError:
            if hasattr(child, "process"):
                await child.close()
            raise
        if not came_up:
            await asyncio.sleep(RESTART_PAUSE)
            return
        self._children.append(child)
        self._note_groups()
        self._plan_dispatch()
        self.changed()

    def _note_start(self, task: asyncio.Task[None]) -> None:
        """Forget an attempt to start a child; where it failed, begin the next."""
        self._starting.discard(task)
        self.warm_up()

    def _note_groups(self) -> None:
        known = (*self._children, *self._guests)
        self._undertaker.note(child.process.pid for child in known)

    def _is_worn(self, child: ChildProcess) -> bool:
        """Say whether a child is to be replaced: it is too large, or served its time."""
        has_served = 0 < self.jobs_limit <= child.served
        return has_served or child.rss > self.memory_limit

    def _child_changed(self, child: ChildProcess) -> None:
        if self._is_worn(child) and not child.is_recalling:
            self._retire(child)
        elif self._backlog:
            self._plan_dispatch()
        self.changed()

    def _retire(self, child: ChildProcess) -> None:
        self._backlog.extendleft(reversed(child.recall()))
        if child in self._children and not child.errands:
            text = "a child is replaced after %s jobs: it holds %s MB"
            logger.info(text, child.served, child.rss >> 20)
            self._children.remove(child)
            task = asyncio.create_task(child.close())
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
            self.warm_up()

    def _child_gone(self, child: ChildProcess, waiting: list[Errand]) -> None:
        if child in self._children:
            self._children.remove(child)
        self._note_groups()
        self._backlog.extendleft(reversed(waiting))
        if not self._closed:
            self.warm_up()
            self._plan_dispatch()
            self.changed()

    # Errands find a child.

    def _plan_dispatch(self) -> None:
        """Dispatch once for all that happens in this turn of the loop."""
        if self._dispatching is None:
            loop = asyncio.get_running_loop()
            self._dispatching = loop.call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._dispatching = None
        given: dict[int, list[Errand]] = {}
        rooms = {i: self._room(child) for i, child in enumerate(self._children)}
        while self._backlog and any(rooms.values()):
            roomiest = max(rooms, key=rooms.__getitem__)
            rooms[roomiest] -= 1
            given.setdefault(roomiest, []).append(self._backlog.popleft())
        for i, errands in given.items():
            self._children[i].send(errands)
        self.warm_up()
        self._watch()

    def _watch(self) -> None:
        """Look again soon while errands wait behind others, else now and then."""
        stacked = any(len(child.errands) > 1 for child in self._children)
        if self._watching is None and (stacked or self.running or self._guests):
            loop = asyncio.get_running_loop()
            delay = LONG if stacked else WATCH_EVERY
            self._watching = loop.call_later(delay, self._look)

    def _look(self) -> None:
        self._watching = None
        now = time.monotonic()
        for child in (*self._children, *self._guests):
            child.check_memory(now)
            if child.is_overdue(now):
                child.time_out()
            elif len(child.errands) > 1 and now - child.begun > LONG:
                self._backlog.extendleft(reversed(child.recall()))
                child.usual = max(child.usual, now - child.begun)
        while self._backlog and now - self._backlog[0].since > PATIENCE:
            self._backlog.popleft().ended(Outcome("handback"), None)
        self._dispatch()

    def _room(self, child: ChildProcess) -> int:
        """Return how many more errands a child may be sent."""
        if child.is_recalling or self._is_worn(child):
            return 0
        depth = min(MOST_AHEAD, int(AHEAD / child.usual)) if child.usual else MOST_AHEAD
        if self.jobs_limit:
            depth = min(depth, self.jobs_limit - child.served)
        return max(1, depth) - len(child.errands)

    async def close(self) -> None:
        """Kill every child."""
        self._closed = True
        for handle in (self._watching, self._dispatching):
            if handle:
                handle.cancel()
        starting = tuple(self._starting)
        for task in starting:
            task.cancel()
        # Each ends the process that it was about to offer.
        await asyncio.gather(*starting, *self._leaving, return_exceptions=True)
        for child in tuple(self._children):
            await child.close()
        await self._fork_server.close()
        self._undertaker.close()
