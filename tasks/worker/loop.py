"""The worker: one asyncio process that claims jobs, runs them and settles them."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from tasks.broker.attempts import ClaimAnswer
from tasks.broker.engine import Engine
from tasks.broker.wire import format_date
from tasks.errors import BrokerUnavailable
from tasks.worker.child import resident_bytes
from tasks.worker.children import MEMORY_LIMIT, ChildPool
from tasks.worker.commands import listen
from tasks.worker.crew import Crew
from tasks.worker.lease import Heart
from tasks.worker.output import Output
from tasks.worker.settle import Settler
from tasks.worker.threads import run_in_thread
from tasks.worker.understudy import Understudy
from tasks.worker.waiting import Doorbell
from tasks.worker.webhooks import Messenger

logger = logging.getLogger(__name__)

#: Jobs asked for by one claim: few where few wait, more while each claim comes back full.
#: A job costs Redis about 20 µs, and no call may hold it for over 2 ms.
FEWEST_CLAIMED, MOST_CLAIMED = 4, 40

#: Seconds between looks while Redis is away or work is suspended.
PAUSE = 0.5

#: Seconds between two looks at whether a pause is over.
PAUSE_CHECK = 1.0

#: Seconds that running jobs get to end when the worker is told to.
DEFAULT_GRACE = 10.0


@dataclass
class Worker:
    """Runs jobs of `queues`, earlier queues first, until `stop` is called."""

    queues: Sequence[str]
    concurrency: int = 1_000
    children: int = 4
    grace: float = DEFAULT_GRACE
    #: A child that holds more bytes after a job is replaced.
    child_memory: int = MEMORY_LIMIT
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
        self.pool = ChildPool(self.children, self._slot_came_free, self.child_memory)
        self.crew = Crew(
            self.concurrency,
            self.pool,
            self.output,
            self.settler,
            changed=self._slot_came_free,
            learned=self.bell.ring,
        )
        self.heart = Heart(self.engine, self.crew.held, self._facts, self.crew.lose)
        self._was_busy = False
        self._suspended = False
        self._claim_size = FEWEST_CLAIMED
        #: The kinds of slots (sync, async) for want of which jobs wait in their queues.
        self._wanted: frozenset[str] = frozenset()
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()

    async def run(self) -> None:
        """Work until told to stop; then end, or hand back, what runs."""
        loops = [self.settler.run, self.output.run, self.heart.run]
        loops += [partial(listen, self.engine, self._obey), self._release_children]
        background = [asyncio.create_task(_keep(loop)) for loop in loops]
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

    async def _claim_until_stopped(self) -> None:
        await self._announce()
        while not self._stopping.is_set():
            coroutines, children = self.crew.free("async"), self.crew.free("sync")
            if not (coroutines or children):
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
        executions = _execution_ids(wanted)
        answer = await self.engine.claim(
            children, coroutines, executions, self.crew.coroutine_paths
        )
        for job in answer.jobs:
            self.crew.begin(job)
        full = len(answer.jobs) == wanted or bool(answer.held)
        self._claim_size = (
            min(MOST_CLAIMED, self._claim_size * 4) if full else FEWEST_CLAIMED
        )
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
        else:
            await self._wait(answer)

    async def _wait(self, answer: ClaimAnswer) -> None:
        """Wait until a further claim may find something that this one did not."""
        closed = answer.held.keys() | answer.paused
        queues = [queue for queue in self.queues if queue not in closed]
        if not (answer.jobs and queues):
            # A pause may end by itself, which nobody announces.
            await self.bell.wait(queues, PAUSE_CHECK if answer.paused else None)

    def _slot_came_free(self) -> None:
        if self._stopping.is_set() or any(map(self.crew.free, self._wanted)):
            self.bell.ring()

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), PAUSE)
        except TimeoutError:
            return

    async def _announce(self) -> None:
        while not self._stopping.is_set():
            try:
                await self.heart.beat()
            except BrokerUnavailable as error:
                logger.warning("the worker waits for Redis: %s", error)
                await self._pause()
            else:
                logger.info(
                    "worker %s serves %s: %s coroutines, %s children",
                    self.name,
                    ", ".join(self.queues),
                    self.concurrency,
                    self.children,
                )
                return

    # What others ask of the worker.

    def _facts(self) -> dict[str, Any]:
        first = next(iter(self.crew.running.values()), None)
        idle = "suspended" if self._suspended else "idle"
        # RQ takes an empty current_job for the id of a job.
        current = {"current_job": first.job.id} if first else {}
        return {
            **current,
            "state": "busy" if first else idle,
            "ty:concurrency": self.concurrency + self.children,
            "ty:running": len(self.crew),
            "ty:rss": self.pool.rss_bytes + resident_bytes(),
        }

    def _obey(self, command: dict[str, Any]) -> None:
        verb = command.get("command")
        if verb == "shutdown":
            self.stop()
        elif verb == "stop-job":
            self.crew.stop(str(command.get("job_id")))
        elif verb == "look":
            self.bell.ring()

    async def _release_children(self) -> None:
        while True:
            try:
                more = await self.engine.release_children()
            except BrokerUnavailable:
                more = False
            await asyncio.sleep(0 if more else 1)

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
        try:
            await asyncio.wait_for(self.settler.drained(), 5)
        except TimeoutError:
            logger.error("%s ends of jobs could not be written", self.settler.pending)

    async def _all_ended(self) -> None:
        while self.crew.running:
            await self.bell.wait(())

    async def _leave(self) -> None:
        await self.bell.close()
        await self.pool.close()
        await run_in_thread(self.messenger.close)
        try:
            await self.engine.deregister(format_date(datetime.now(UTC)))
        except BrokerUnavailable as error:
            logger.warning("the worker could not sign off: %s", error)
        await self.engine.close()
        logger.info("worker %s has ended", self.name)


async def _keep(loop: Callable[[], Awaitable[None]]) -> None:
    """Run a loop of the worker for ever: an error in one must not leave it without."""
    while True:
        try:
            await loop()
        except Exception:
            logger.exception("a part of the worker failed and starts again")
        await asyncio.sleep(PAUSE)


def _execution_ids(count: int) -> list[str]:
    """Return ids like RQ's, 32 hexadecimal digits, from one call for randomness."""
    digits = secrets.token_hex(16 * count)
    return [digits[i : i + 32] for i in range(0, len(digits), 32)]
