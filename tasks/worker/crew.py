"""The jobs that a worker holds, each from its claim to its end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial

from tasks.broker.attempts import Claimed, Settlement
from tasks.registry import registry
from tasks.worker.attempt import (
    Running,
    Stray,
    facts_of,
    fail,
    plan_elsewhere,
    plan_here,
    request_of,
    run_here,
    stop,
)
from tasks.worker.breaker import Breakers
from tasks.worker.calls import Outcome, Plan, failed
from tasks.worker.child_process import Errand
from tasks.worker.children import ChildPool
from tasks.worker.context import JobContext
from tasks.worker.last_calls import last_call
from tasks.worker.limits import Limits
from tasks.worker.output import Output
from tasks.worker.retries import retry_after
from tasks.worker.settle import Settler
from tasks.worker.solo import SoloRuns
from tasks.worker.strays import Strays

logger = logging.getLogger(__name__)

#: Seconds that a request to stop a job waits for the job to arrive.
STOP_KEPT_FOR = 2.0


class Crew:
    """Runs jobs, on the loop or in the children of `pool`, and hands on their ends."""

    def __init__(
        self,
        concurrency: int,
        pool: ChildPool,
        output: Output,
        settler: Settler,
        *,
        limits: Limits,
        changed: Callable[[], None],
        learned: Callable[[], None],
    ) -> None:
        self.concurrency = concurrency
        self.pool = pool
        self.output = output
        self.settler = settler
        self.solos = SoloRuns(pool)
        self.breakers = Breakers()
        self.limits = limits
        #: By their entries in the lease.
        self.running: dict[str, Running] = {}
        #: Paths by which stock clients name what runs on the loop; learned as they come.
        self.coroutine_paths = {task.path for task in registry if task.is_async}
        #: Told when a slot came free, and when a path was learned.
        self._changed, self._learned = changed, learned
        self._strays = Strays(self._finish, changed)
        self._gone_astray = self._strays.add  # one object for all jobs
        #: Jobs unknown here that somebody asked to stop, and when.
        self._stops_asked: dict[str, float] = {}
        #: Jobs of which it is not known yet whether they need a child.
        self._undecided = 0

    def __len__(self) -> int:
        return len(self.running) + len(self._strays)

    def free(self, kind: str) -> int:
        """Return how many jobs of a kind (sync or async) may be taken on now."""
        solos = len(self.solos)
        if kind == "sync":
            full = solos >= self.pool.size
            return 0 if full else max(0, self.pool.free - self._undecided)
        return max(0, self.concurrency - len(self) + self.pool.running + solos)

    def is_trying(self) -> bool:
        """Say whether a suspect runs alone, or Redis was not told yet how it ended."""
        return bool(self.solos) or self.settler.holds_verdict

    def held(self) -> list[Claimed]:
        """Return the jobs that run now."""
        return [running.job for running in self.running.values()]

    def begin(self, job: Claimed) -> None:
        """Have a job run; it is settled when it ends."""
        context = JobContext(
            id=job.id,
            task=job.task,
            queue=job.queue,
            attempt=job.attempt,
            sink=partial(self.output.hear, job),
        )
        running = Running(job, context, self._gone_astray)
        self.running[job.member] = running
        try:
            planned = plan_here(job)
        except Exception as error:
            running.task = asyncio.create_task(self._refuse(running, error))
            return
        if planned is None:
            running.task = asyncio.create_task(self._decide(running))
        else:
            self._dispatch(running, planned)
        if self._stops_asked:
            self._stop_if_asked(job.id)

    async def _refuse(self, running: Running, error: Exception) -> None:
        """End a job that cannot be run at all."""
        await self._finish(running, await fail(running, error))

    async def _decide(self, running: Running) -> None:
        """Find out what a job calls; until then a child is kept free for it."""
        self._undecided += 1
        try:
            planned = await plan_elsewhere(running.job)
        except asyncio.CancelledError:
            outcome = await stop(running) if running.stopping else Outcome("handback")
            return await self._finish(running, outcome)
        except BaseException as error:  # an import runs any code
            return await self._finish(running, await fail(running, error))
        finally:
            self._undecided -= 1
        self._dispatch(running, planned)
        return None

    def _dispatch(self, running: Running, planned: Plan) -> None:
        """Have a job run, on this loop or in a child."""
        context = running.context
        context.task = planned.task.name if planned.task else planned.path
        context.output = self.limits.output_of(planned.task)
        if planned.task and planned.task.breaker:
            running.breaker = self.breakers.begin(planned.task, running.job.member)
        if planned.is_async:
            self._learn(planned.path)
        if planned.is_async and not running.job.runs_solo:
            if planned.timeout:
                context.deadline = running.started + planned.timeout
            if context.output:
                context.exceeded = partial(running.silence, asyncio.get_running_loop())
            running.task = asyncio.create_task(self._work(running, planned))
            return
        running.task = None
        running.errand = Errand(
            request_of(planned, running),
            running.job.raw("data"),
            planned.timeout,
            partial(self._child_ended, running),
            context.sink,
            self.limits.memory_of(planned.task),
        )
        place = self.solos if running.job.runs_solo else self.pool
        place.run(running.errand)

    def _learn(self, path: str) -> None:
        """Know a coroutine by its path; a claim that took it for sync was held back."""
        if path not in self.coroutine_paths:
            self.coroutine_paths.add(path)
            self._learned()

    async def _work(self, running: Running, planned: Plan) -> None:
        """Run a coroutine to its end."""
        try:
            outcome = await run_here(planned, running)
        except Stray:
            self._strays.remove(running)
            return
        except asyncio.CancelledError as error:
            outcome = await stop(running) if running.stopping else failed(error)
        except Exception as error:
            outcome = failed(error)
        if self.output.holds(running.job):
            await self._finish(running, outcome)
        else:
            self._end(running, outcome)

    def _child_ended(
        self, running: Running, outcome: Outcome, started: float | None
    ) -> None:
        is_gone = started is None
        running.started = started or running.started
        if is_gone and outcome.verb in ("stop", "fail", "quarantine"):
            running.task = asyncio.create_task(self._finish_child(running, outcome))
        elif self.output.holds(running.job):
            running.task = asyncio.create_task(self._finish(running, outcome))
        else:
            self._end(running, outcome)

    async def _finish_child(self, running: Running, outcome: Outcome) -> None:
        """End a job whose child is gone and could not make the last call itself."""
        state = "stopped" if outcome.verb == "stop" else "failed"
        if not running.handing_back:
            await last_call(running, self.pool, state, outcome)
        await self._finish(running, outcome)

    async def _finish(self, running: Running, outcome: Outcome) -> None:
        """End a job, after what it said was sent."""
        try:
            await self.output.ended(running.job)
        finally:
            self._end(running, outcome)

    def _end(self, running: Running, outcome: Outcome) -> None:
        job = running.job
        if running.handing_back and outcome.verb != "finish":
            outcome = Outcome("handback")
        del self.running[job.member]
        if running.breaker:
            self.breakers.end(running.breaker, job.member, outcome.verb)
        facts = facts_of(outcome)
        if self.output.forget(job):
            facts["logged"] = 1
        self.settler.add(
            Settlement(
                job,
                outcome.verb,
                running.started,
                outcome.result,
                outcome.traceback,
                retry_after(job, outcome),
                facts,
                outcome.packed,
            )
        )
        self._changed()

    # Ends that others ask for.

    def stop(self, job_id: str) -> None:
        """End a job, if it runs here, as an operator asked."""
        found = [r for r in self.running.values() if r.job.id == job_id]
        for running in found:
            running.stopping = running.context.stop_requested = True
            self._interrupt(running)
        if not found:
            # The answer of the claim that brings it may still be on its way.
            self._forget_stops()
            self._stops_asked[job_id] = time.monotonic()

    def _stop_if_asked(self, job_id: str) -> None:
        self._forget_stops()
        if self._stops_asked.pop(job_id, None) is not None:
            self.stop(job_id)

    def _forget_stops(self) -> None:
        oldest = time.monotonic() - STOP_KEPT_FOR
        asked = self._stops_asked.items()
        self._stops_asked = {job_id: at for job_id, at in asked if at > oldest}

    def lose(self, member: str) -> None:
        """End a job whose lease is gone: another worker may have it."""
        running = self.running.get(member)
        if running:
            logger.warning("the lease of job %s is gone; it is ended", running.job.id)
            running.handing_back = True
            self._interrupt(running)

    def give_up(self) -> None:
        """End what runs, and give it back to its queues."""
        for running in tuple(self.running.values()):
            # A coroutine that cleans up is not interrupted in that.
            if running.errand or not running.handing_back:
                running.handing_back = True
                self._interrupt(running)

    async def hand_back(self, seconds: float) -> None:
        """End what runs for good, within so many seconds, and give it back."""
        self.give_up()
        await self.solos.close()
        await self.pool.close()
        left = [running.task for running in self.running.values() if running.task]
        if left:
            await asyncio.wait(left, timeout=seconds)
        for running in tuple(self.running.values()):
            self._strays.add(running)
        await self._strays.ended(1)

    def _interrupt(self, running: Running) -> None:
        """End a job's code, whichever way it runs."""
        if running.errand is not None:
            running.errand.stopping = running.stopping
            place = self.solos if running.errand in self.solos else self.pool
            place.end(running.errand)
        else:
            running.interrupt()
