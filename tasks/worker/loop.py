"""The worker: one asyncio process that claims jobs, runs them and settles them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from tasks.broker.attempts import ClaimAnswer
from tasks.broker.engine import Engine
from tasks.broker.wire import format_date
from tasks.conf import get_config
from tasks.errors import BrokerUnavailable
from tasks.worker.background import keep, release_children
from tasks.worker.children import MEMORY_LIMIT, ChildPool
from tasks.worker.commands import listen
from tasks.worker.crew import Crew
from tasks.worker.family import resident_bytes
from tasks.worker.fence import Fence
from tasks.worker.lease import Heart
from tasks.worker.leftovers import Leftovers
from tasks.worker.limits import Limits
from tasks.worker.output import Output
from tasks.worker.probation import NONE, Probation
from tasks.worker.settle import Settler
from tasks.worker.threads import run_in_thread
from tasks.worker.unanswered import Unanswered, execution_ids
from tasks.worker.understudy import Understudy
from tasks.worker.waiting import Doorbell
from tasks.worker.webhooks import Messenger

logger = logging.getLogger(__name__)

#: Jobs asked for by one claim: few where few wait, more while each claim comes back full.
#: A job costs Redis about 20 µs, and no call may hold it for over 2 ms.
FEWEST_CLAIMED, MOST_CLAIMED = 4, 40

#: Seconds between looks while Redis is away or work is suspended.
PAUSE = 0.5

#: Seconds between two looks at whether a queue can be claimed from again, and for new
#: jobs while those in line may not be taken, since a suspect runs alone.
CLOSED_CHECK, TRIAL_CHECK = 1.0, 0.05

#: Seconds that running jobs get to end when the worker is told to.
DEFAULT_GRACE = 10.0


@dataclass
class Worker:
    """Runs jobs of `queues`, earlier queues first, until `stop` is called."""

    queues: Sequence[str]
    concurrency: int = 1_000
    children: int = 4
    grace: float = DEFAULT_GRACE
    #: A child that holds more bytes after a job is replaced, and one after so many jobs.
    child_memory: int = MEMORY_LIMIT
    child_jobs: int = 0
    limits: Limits = field(default_factory=Limits)
    #: The folder in which ends of jobs are left that Redis does not take.
    data: Path = field(default_factory=lambda: get_config().taskyard_data)
    name: str = ""
    host: str = field(default_factory=socket.gethostname)

    def __post_init__(self) -> None:
        # Never a fixed name: after kill -9, RQ holds the old one for minutes.
        self.name = self.name or f"{self.host}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.engine = Engine(self.name, self.host, self.queues)
        self.bell = Doorbell(self.engine)
        self.messenger = Messenger()
        self.settler = Settler(self.engine, self.messenger.tell)
        self.output = Output(self.engine)
        self.leftovers = Leftovers(self.data, self.engine, self.messenger.tell)
        self.unanswered = Unanswered(self.engine, self.settler)
        self.pool = ChildPool(
            self.children, self._slot_came_free, self.child_memory, self.child_jobs
        )
        self.crew = Crew(
            self.concurrency,
            self.pool,
            self.output,
            self.settler,
            limits=self.limits,
            changed=self._slot_came_free,
            learned=self.bell.ring,
        )
        self.heart = Heart(self.engine, self.crew.held, self._facts, self.crew.lose)
        self.fence = Fence(self.heart, self.crew.running, self.crew.give_up)
        #: Since when it takes no more jobs, in Unix seconds; 0: it does.
        self._quiet_since = 0
        # A suspect runs in a process of its own, where the worker may start any.
        is_on = self.children > 0 and get_config().taskyard_quarantine
        self.probation = Probation(self.crew.running, self.crew.is_trying, is_on=is_on)
        self._was_busy = self._suspended = False
        self._claim_size = FEWEST_CLAIMED
        #: The kinds of slots (sync, async) for want of which jobs wait in their queues.
        self._wanted: frozenset[str] = frozenset()
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()

    async def run(self) -> None:
        """Work until told to stop; then end, or hand back, what runs."""
        loops = [self.settler.run, self.output.run, self.heart.run, self.fence.run]
        loops += [self.unanswered.run, self.leftovers.run]
        loops += [partial(release_children, self.engine)]
        loops += [partial(listen, self.engine, self._obey)]
        background = [asyncio.create_task(keep(loop)) for loop in loops]
        understudy = Understudy(self.heart, self.crew.running)
        understudy.start()
        self.pool.warm_up()
        try:
            await self._claim_until_stopped()
            await self._drain()
        finally:
            understudy.stop()
            for task in background:
                task.cancel()
            await asyncio.wait(background, timeout=1)
            await self._leave()

    def stop(self) -> None:
        """Take no more jobs and end; called again: at once."""
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()
        self.bell.ring()
        self.quiet()

    def quiet(self) -> None:
        """Take no more jobs; what runs goes on."""
        if not self._quiet_since:
            self._quiet_since = int(time.time())
            self._tell_of_quiet()

    def wake(self) -> None:
        """Take jobs again."""
        if not self._stopping.is_set():
            self._quiet_since = 0
            self._tell_of_quiet()

    def _tell_of_quiet(self) -> None:
        verb = "takes no more jobs" if self._quiet_since else "takes jobs"
        logger.info("worker %s %s", self.name, verb, extra={"action": "quiet"})
        self.bell.ring()
        self.heart.tell()

    async def _claim_until_stopped(self) -> None:
        await self._announce()
        while not self._stopping.is_set():
            coroutines, children = self.crew.free("async"), self.crew.free("sync")
            if self._quiet_since or not (coroutines or children):
                self._wanted = frozenset(("async", "sync"))
                await self.bell.wait(())
                continue
            try:
                await self._claim(coroutines, children)
            except BrokerUnavailable as error:
                logger.warning("no job can be claimed: %s", error)
                await self._pause()
            except Exception:
                logger.exception("no job can be claimed")
                await self._pause()

    async def _claim(self, coroutines: int, children: int) -> None:
        self.bell.silence()
        wanted = min(self._claim_size, coroutines + children)
        executions = execution_ids(wanted)
        most_lost, holds = self.probation.most, self.crew.breakers.holds()
        try:
            paths = self.crew.coroutine_paths
            answer = await self.engine.claim(
                children, coroutines, executions, paths, most_lost, holds
            )
        except Exception:
            self.unanswered.note(executions)
            raise
        self.crew.breakers.note(answer.held_back)
        for job in answer.jobs:
            self.crew.begin(job)
        await self.probation.watch(answer.jobs)
        full = len(answer.jobs) == wanted or bool(answer.held)
        larger = min(MOST_CLAIMED, self._claim_size * 4)
        self._claim_size = larger if full else FEWEST_CLAIMED
        self._wanted = frozenset(answer.held.values())
        self._slot_came_free()  # perhaps meanwhile
        if not self.crew.running and self._was_busy:
            await self.engine.note_idle()
        self._was_busy = bool(self.crew.running)
        if answer.suspended != self._suspended:
            self._suspended = answer.suspended
            await self.heart.beat()
        if answer.suspended:
            await self._pause()
        elif most_lost == NONE and not answer.jobs:
            await self.bell.wait((), TRIAL_CHECK)
        else:
            await self._wait(answer)

    async def _wait(self, answer: ClaimAnswer) -> None:
        """Wait until a further claim may find something that this one did not."""
        closed = answer.held.keys() | answer.paused
        queues = [queue for queue in self.queues if queue not in closed]
        if not (answer.jobs and queues):
            # Nobody tells of a pause that ends, nor of a head that another worker took.
            await self.bell.wait(queues, CLOSED_CHECK if closed else None)

    def _slot_came_free(self) -> None:
        if self._stopping.is_set() or any(map(self.crew.free, self._wanted)):
            self.bell.ring()

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), PAUSE)

    async def _announce(self) -> None:
        while not self._stopping.is_set():
            try:
                await self.heart.beat()
            except BrokerUnavailable as error:
                logger.warning("the worker waits for Redis: %s", error)
                await self._pause()
            else:
                text = "worker %s serves %s: %s coroutines, %s children"
                queues = ", ".join(self.queues)
                logger.info(text, self.name, queues, self.concurrency, self.children)
                return

    # What others ask of the worker.

    def _facts(self) -> dict[str, Any]:
        first = next(iter(self.crew.running.values()), None)
        idle = "suspended" if self._suspended else "idle"
        # RQ takes an empty current_job for the id of a job.
        current = {"current_job": first.job.id} if first else {}
        quiet = {"ty:quiet": self._quiet_since} if self._quiet_since else {}
        return {
            **current,
            **quiet,
            **self.crew.breakers.facts(),
            "state": "busy" if first else idle,
            "ty:concurrency": self.concurrency + self.children,
            "ty:running": len(self.crew),
            "ty:rss": self.pool.rss_bytes + resident_bytes(),
        }

    def _obey(self, command: dict[str, Any]) -> None:
        if command.get("worker", self.name) != self.name:
            return
        verb = command.get("command")
        if verb == "shutdown":
            self.stop()
        elif verb == "stop-job":
            self.crew.stop(str(command.get("job_id")))
        elif verb == "quiet":
            self.quiet()
        elif verb == "wake":
            self.wake()
        elif verb == "look":
            self.bell.ring()

    # The end.

    async def _drain(self) -> None:
        """Let running jobs end within the grace, then hand the rest back."""
        hurry = asyncio.create_task(self._hurry.wait())
        ended = asyncio.create_task(self._all_ended())
        await asyncio.wait(
            (hurry, ended), timeout=self.grace, return_when=asyncio.FIRST_COMPLETED
        )
        hurry.cancel()
        ended.cancel()
        await self.crew.hand_back(2)
        await self.leftovers.leave(self.settler)

    async def _all_ended(self) -> None:
        while self.crew.running:
            await self.bell.wait(())

    async def _leave(self) -> None:
        await self.bell.close()
        await self.pool.close()
        await run_in_thread(self.messenger.close)
        await self.heart.told()
        try:
            await self.engine.deregister(format_date(datetime.now(UTC)))
        except BrokerUnavailable as error:
            logger.warning("the worker could not sign off: %s", error)
        await self.engine.close()
        logger.info("worker %s has ended", self.name)
