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

from tasks.broker.attempts import Claimed, Settlement
from tasks.broker.engine import Engine
from tasks.broker.wire import format_date
from tasks.errors import BrokerUnavailable
from tasks.registry import registry
from tasks.worker.attempt import Running, attempt, facts_of, stop
from tasks.worker.calls import Outcome, failed, retry_after
from tasks.worker.children import ChildPool
from tasks.worker.commands import listen
from tasks.worker.context import JobContext
from tasks.worker.lease import Heart
from tasks.worker.output import Output
from tasks.worker.settle import Settler
from tasks.worker.understudy import Understudy
from tasks.worker.waiting import Doorbell

logger = logging.getLogger(__name__)

#: Jobs asked for by one claim: few where few wait, more while each claim comes back full.
#: A job costs Redis about 20 µs, and no call may hold it for over 2 ms.
FEWEST_CLAIMED, MOST_CLAIMED = 4, 100

#: Seconds between looks while Redis is away or work is suspended.
PAUSE = 0.5

#: Seconds that running jobs get to end when the worker is told to.
DEFAULT_GRACE = 10.0


@dataclass
class Worker:
    """Runs jobs of `queues`, earlier queues first, until `stop` is called."""

    queues: Sequence[str]
    concurrency: int = 1_000
    children: int = 4
    grace: float = DEFAULT_GRACE
    name: str = ""
    host: str = field(default_factory=socket.gethostname)

    def __post_init__(self) -> None:
        # Never a fixed name: after kill -9, RQ holds the old one for minutes.
        self.name = self.name or f"{self.host}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.running: dict[str, Running] = {}
        #: Paths by which stock clients name what runs on the loop; learned as they come.
        self.coroutine_paths = {task.path for task in registry if task.is_async}
        self._was_busy = False
        self._claim_size = FEWEST_CLAIMED
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()

    async def run(self) -> None:
        """Work until told to stop; then end, or hand back, what runs."""
        self.engine = Engine(self.name, self.host, self.queues)
        self.bell = Doorbell(self.engine)
        self.settler = Settler(self.engine)
        self.output = Output(self.engine)
        self.pool = ChildPool(self.children, changed=self.bell.ring)
        self.heart = Heart(self.engine, self._held, self._facts, self._lost)
        loops = [self.settler.run, self.output.run, self.heart.run]
        loops += [partial(listen, self.engine, self._obey), self._release_children]
        background = [asyncio.create_task(_keep(loop)) for loop in loops]
        understudy = Understudy(self._held, lambda: self.heart.beaten_at)
        understudy.start()
        self.pool.warm_up()
        try:
            await self._claim_until_stopped()
            await self._drain()
        finally:
            understudy.stop()
            for task in background:
                task.cancel()
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
            coroutines = self.concurrency - (len(self.running) - self.pool.running)
            children = self.pool.free - sum(r.undecided for r in self.running.values())
            if coroutines <= 0 and children <= 0:
                await self.bell.wait(())
                continue
            try:
                await self._claim(max(0, coroutines), max(0, children))
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
            children, coroutines, executions, self.coroutine_paths
        )
        for job in answer.jobs:
            self._begin(job)
        full = len(answer.jobs) == wanted
        self._claim_size = (
            min(MOST_CLAIMED, self._claim_size * 4) if full else FEWEST_CLAIMED
        )
        if not self.running and self._was_busy:
            await self.engine.note_idle()
        self._was_busy = bool(self.running)
        if answer.suspended:
            await self._pause()
        elif not answer.jobs:
            await self.bell.wait([q for q in self.queues if q not in answer.held])

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

    # One job, from its claim to its end.

    def _begin(self, job: Claimed) -> None:
        context = JobContext(
            id=job.id,
            task=job.text("task"),
            queue=job.queue,
            attempt=job.attempt,
            sink=self.output.sink(job),
        )
        running = Running(job, context)
        self.running[job.member] = running
        running.task = asyncio.create_task(self._work(running))

    async def _work(self, running: Running) -> None:
        try:
            outcome = await attempt(running, self.pool, self.coroutine_paths)
        except asyncio.CancelledError as error:
            outcome = await stop(running) if running.stopping else failed(error)
        except Exception as error:
            outcome = failed(error)
        try:
            await self.output.ended(running.job)
        finally:
            self._end(running, outcome)

    def _end(self, running: Running, outcome: Outcome) -> None:
        job = running.job
        if running.handing_back and outcome.verb != "finish":
            outcome = Outcome("handback")
        del self.running[job.member]
        self.settler.add(
            Settlement(
                job,
                outcome.verb,
                running.started,
                outcome.result,
                outcome.traceback,
                retry_after(job, outcome),
                {"host": self.host, **facts_of(outcome, job)},
            )
        )
        self.bell.ring()

    # What others ask of the worker.

    def _held(self) -> list[Claimed]:
        return [running.job for running in self.running.values()]

    def _facts(self) -> dict[str, Any]:
        first = next(iter(self.running.values()), None)
        return {
            "state": "busy" if first else "idle",
            "current_job": first.job.id if first else "",
            "ty:concurrency": self.concurrency + self.children,
            "ty:running": len(self.running),
            "ty:rss": self.pool.rss_bytes,
        }

    def _lost(self, member: str) -> None:
        running = self.running.get(member)
        if running:
            logger.warning("the lease of job %s is gone; it is ended", running.job.id)
            running.handing_back = True
            running.interrupt()

    def _obey(self, command: dict[str, Any]) -> None:
        verb = command.get("command")
        if verb == "shutdown":
            self.stop()
        elif verb == "stop-job":
            for running in self.running.values():
                if running.job.id == command.get("job_id"):
                    running.stopping = running.context.stop_requested = True
                    running.interrupt()

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
        for running in tuple(self.running.values()):
            running.handing_back = True
            running.interrupt()
        left = [running.task for running in self.running.values() if running.task]
        if left:
            await asyncio.wait(left, timeout=2)
        try:
            await asyncio.wait_for(self.settler.drained(), 5)
        except TimeoutError:
            logger.error("%s ends of jobs could not be written", self.settler.pending)

    async def _all_ended(self) -> None:
        tasks = [running.task for running in self.running.values() if running.task]
        if tasks:
            await asyncio.wait(tasks)

    async def _leave(self) -> None:
        self.bell.close()
        await self.pool.close()
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
