"""One attempt: the job's code, run on this loop or in a child."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from tasks.broker.attempts import Claimed
from tasks.worker.calls import (
    JobTimedOut,
    Outcome,
    Plan,
    failed,
    is_known,
    plan,
    succeeded,
)
from tasks.worker.children import Child, ChildPool
from tasks.worker.context import JobContext, enter_job

#: Characters of a result that the ledger keeps; Redis keeps all of it for a while.
LEDGER_RESULT_LIMIT = 65_536


@dataclass(eq=False)
class Running:
    """A job that runs here now."""

    job: Claimed
    context: JobContext
    started: float = field(default_factory=time.time)
    task: asyncio.Task[None] | None = None
    child: Child | None = None
    stopping: bool = False
    #: Until it is known whether the job is a coroutine, a child is kept free for it.
    undecided: bool = True
    #: Set when the job goes back to its queue instead of ending.
    handing_back: bool = False

    def interrupt(self) -> None:
        """End the job's code, whichever way it runs."""
        if self.child is not None:
            self.child.stopping = self.stopping
            self.child.kill()
        elif self.task is not None:
            self.task.cancel()


async def attempt(running: Running, pool: ChildPool) -> Outcome:
    """Run a job's code, on this loop or in a child, and return how it ended."""
    job = running.job
    planned = plan(job) if is_known(job) else await asyncio.to_thread(plan, job)
    context = running.context
    context.task = planned.task.name if planned.task else planned.path
    running.undecided = not planned.is_async
    if planned.timeout:
        context.deadline = running.started + planned.timeout
    if planned.is_async:
        return await _run_here(planned, context)
    return await _run_in_child(planned, running, pool)


async def _run_here(planned: Plan, context: JobContext) -> Outcome:
    enter_job(context)
    args, kwargs = planned.arguments()
    limit = asyncio.timeout(planned.timeout)
    try:
        async with limit:
            return succeeded(await planned.function(*args, **kwargs))
    except (SystemExit, KeyboardInterrupt) as error:
        return failed(error)  # it would end the whole worker
    except TimeoutError as error:
        late = limit.expired() and planned.timeout
        return failed(JobTimedOut(planned.timeout or 0) if late else error)
    finally:
        enter_job(JobContext())


async def _run_in_child(planned: Plan, running: Running, pool: ChildPool) -> Outcome:
    while not pool.free:
        # A stock client's sync job came where a coroutine was expected.
        await pool.became_free()
    context = running.context
    child = running.child = pool.take()
    running.undecided = False
    request = {
        "id": context.id,
        "task": context.task,
        "path": planned.path,
        "queue": context.queue,
        "attempt": context.attempt,
        "args": planned.args,
        "kwargs": planned.kwargs,
        "timeout": planned.timeout,
        "deadline": context.deadline,
    }
    try:
        return await child.run(request, context.sink)
    finally:
        running.child = None
        await pool.give_back(child)


def facts_of(outcome: Outcome, job: Claimed) -> dict[str, Any]:
    """Return what the recorder should know of an attempt's end."""
    facts: dict[str, Any] = {"attempt": job.attempt}
    if outcome.verb == "finish":
        facts["result"] = outcome.result[:LEDGER_RESULT_LIMIT]
        facts["result_size"] = len(outcome.result.encode())
    elif outcome.verb != "handback":
        facts["error"] = outcome.error
        facts["message"] = outcome.message
        facts["traceback"] = outcome.traceback
    return facts
