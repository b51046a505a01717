"""One attempt: the job's code, run on this loop or in a child."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from tasks.broker.attempts import Claimed
from tasks.worker.callbacks import call_back, call_back_quietly
from tasks.worker.calls import (
    JobTimedOut,
    Outcome,
    Plan,
    failed,
    is_known,
    plan,
    stopped,
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


async def attempt(
    running: Running, pool: ChildPool, coroutine_paths: set[str]
) -> Outcome:
    """Run a job's code, on this loop or in a child, and return how it ended.

    The path of a coroutine is added to `coroutine_paths`.
    """
    job = running.job
    planned = plan(job) if is_known(job) else await asyncio.to_thread(plan, job)
    context = running.context
    context.task = planned.task.name if planned.task else planned.path
    running.undecided = not planned.is_async
    if planned.timeout:
        context.deadline = running.started + planned.timeout
    if planned.is_async:
        coroutine_paths.add(planned.path)
        return await _run_here(planned, running)
    return await _run_in_child(planned, running, pool)


async def _run_here(planned: Plan, running: Running) -> Outcome:
    enter_job(running.context)
    limit = asyncio.timeout(planned.timeout)
    try:
        args, kwargs = planned.arguments()
        async with limit:
            value = await planned.function(*args, **kwargs)
        await _call_back(running.job, "success_callback_name", value)
        return succeeded(value)
    except TimeoutError as error:
        late = limit.expired() and planned.timeout
        return await _fail(
            running, JobTimedOut(planned.timeout or 0) if late else error
        )
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # some of which would end the whole worker
        return await _fail(running, error)


async def _call_back(job: Claimed, name: str, value: object) -> None:
    path = job.text(name)
    if path:
        await asyncio.to_thread(call_back, path, job.id, value)


async def _fail(running: Running, error: BaseException) -> Outcome:
    path = running.job.text("failure_callback_name")
    if path:
        about = (type(error), error, error.__traceback__)
        await asyncio.to_thread(call_back_quietly, path, running.job.id, *about)
    return failed(error)


async def stop(running: Running) -> Outcome:
    """Return the outcome of a job that was stopped, after its callback."""
    path = running.job.text("stopped_callback_name")
    if path:
        await asyncio.to_thread(call_back_quietly, path, running.job.id)
    return stopped()


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
        "on_success": running.job.text("success_callback_name"),
        "on_failure": running.job.text("failure_callback_name"),
    }
    try:
        outcome = await child.run(request, context.sink)
    finally:
        running.child = None
        await pool.give_back(child)
    return await stop(running) if outcome.verb == "stop" else outcome


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
