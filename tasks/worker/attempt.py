"""One attempt: the job's code, run on this loop or in a child."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, cast

from tasks.broker.attempts import Claimed
from tasks.broker.wire import LEDGER_RESULT_LIMIT
from tasks.worker.breaker import Breaker
from tasks.worker.callbacks import callback_of, error_of
from tasks.worker.calls import (
    ImportNeeded,
    JobTimedOut,
    Outcome,
    OutputExceeded,
    Plan,
    failed,
    plan,
    stopped,
    succeeded,
)
from tasks.worker.child_process import Errand
from tasks.worker.context import JobContext, enter_job
from tasks.worker.retries import asks_again
from tasks.worker.threads import run_in_thread

#: Bytes of arguments, packed, that are read on the loop; larger ones would hold it up.
READ_HERE = 64 * 1024


#: Seconds that a coroutine may go on after it was interrupted.
LAST_WORDS = 3.0


class Stray(BaseException):
    """Raised where the code of a job returned after the job had been ended without it."""


@dataclass(eq=False, slots=True)
class Running:
    """A job that runs here now."""

    job: Claimed
    context: JobContext
    #: Called when the coroutine goes on though it was interrupted.
    gone_astray: Callable[[Running], None]
    started: float = field(default_factory=time.time)
    task: asyncio.Task[None] | None = None
    errand: Errand | None = None
    #: The breaker of its task, where that has one.
    breaker: Breaker | None = None
    stopping: bool = False
    #: Set when the job goes back to its queue instead of ending.
    handing_back: bool = False
    #: The limit that a coroutine passed, for which it was interrupted.
    offence: Exception | None = None
    #: Whether the task's own code runs, and no callback of the job.
    is_in_code: bool = False
    #: Set when the job was ended while its code went on.
    is_stray: bool = False

    @property
    def was_interrupted(self) -> bool:
        return self.stopping or self.offence is not None or self.is_stray

    def interruption(self) -> BaseException:
        """Return what ends the attempt instead of the result of its code."""
        return Stray() if self.is_stray else asyncio.CancelledError()

    def time_out(self, seconds: float) -> None:
        """Interrupt a coroutine whose time is over."""
        self.offence = JobTimedOut(seconds)
        self.interrupt()

    def silence(self, loop: asyncio.AbstractEventLoop) -> None:
        """Interrupt a coroutine that wrote more than it may, from whichever thread."""
        self.offence = OutputExceeded(self.context.output)
        loop.call_soon_threadsafe(self._interrupt_code)

    def _interrupt_code(self) -> None:
        if self.is_in_code:
            self.interrupt()

    def interrupt(self) -> None:
        """Cancel a coroutine, and give it up where it goes on all the same."""
        if self.task is None:
            return
        loop = asyncio.get_running_loop()
        coroutine = cast(Coroutine[Any, Any, None], self.task.get_coro())
        if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
            # Canceled before its first step, it would not even note its end.
            loop.call_soon(self.interrupt)
        else:
            self.task.cancel()
            loop.call_later(LAST_WORDS, self.gone_astray, self)


def plan_here(job: Claimed) -> Plan | None:
    """Return what a job calls, or None where finding out would hold up the loop."""
    if len(job.raw("data")) > READ_HERE:
        return None
    try:
        return plan(job, may_import=False)
    except ImportNeeded:
        return None


async def plan_elsewhere(job: Claimed) -> Plan:
    """Return what a job calls, found out by a thread."""
    planned: Plan = await run_in_thread(plan, job)
    return planned


async def run_here(planned: Plan, running: Running) -> Outcome:
    """Run a coroutine on this loop and return how it ended.

    Raises CancelledError where the job is stopped or handed back.
    """
    context = running.context
    enter_job(context)
    try:
        value = await _call(planned, running)
        retries = int(running.job.number("number_of_retries") or 0)
        if again := asks_again(value, retries):
            return again
        callback = callback_of(running.job, "finished")
        if callback:
            await callback.call_in_thread(context, value)
        return succeeded(value)
    except asyncio.CancelledError:
        if running.stopping or running.handing_back or running.offence is None:
            raise
        return await fail(running, running.offence)
    except Stray:
        raise
    except BaseException as error:  # some of which would end the whole worker
        return await fail(running, error)


async def _call(planned: Plan, running: Running) -> Any:
    args, kwargs = planned.arguments()
    alarm = _alarm(planned.timeout, running)
    running.is_in_code = True
    try:
        value = await planned.function(*args, **kwargs)
    except BaseException as error:
        if running.was_interrupted:
            raise running.interruption() from error
        raise
    finally:
        running.is_in_code = False
        if alarm:
            alarm.cancel()
    if running.was_interrupted:  # a task may swallow that, but not undo it
        raise running.interruption()
    return value


def _alarm(seconds: float | None, running: Running) -> asyncio.TimerHandle | None:
    if seconds is None:
        return None
    loop = asyncio.get_running_loop()
    return loop.call_later(seconds, running.time_out, seconds)


async def fail(running: Running, error: BaseException) -> Outcome:
    """Return the outcome of a coroutine that raised, after its callback."""
    callback = callback_of(running.job, "failed")
    if callback:
        await callback.call_quietly_in_thread(running.context, *error_of(error))
    return failed(error)


async def stop(running: Running) -> Outcome:
    """Return the outcome of a job that was stopped, after its callback."""
    callback = callback_of(running.job, "stopped")
    if callback:
        await callback.call_quietly_in_thread(running.context)
    return stopped()


def request_of(planned: Plan, running: Running) -> dict[str, Any]:
    """Return what a child must know to run a job, beside the job's data."""
    job, context = running.job, running.context
    request: dict[str, Any] = {
        "id": job.id,
        "task": context.task,
        "queue": job.queue,
        "attempt": job.attempt,
        "timeout": planned.timeout,
    }
    if planned.pickled:
        request["pickled"] = True
    if context.output:
        request["output"] = context.output
    for state in ("finished", "failed"):
        callback = callback_of(job, state)
        if callback:
            request[state] = [callback.path, callback.timeout]
    retries = job.number("number_of_retries")
    if retries:
        request["number_of_retries"] = int(retries)
    return request


def facts_of(outcome: Outcome) -> dict[str, Any]:
    """Return what the recorder should know of an attempt's end."""
    if outcome.verb == "finish":
        result = outcome.result
        size = len(result) if result.isascii() else len(result.encode())
        return {"result": result[:LEDGER_RESULT_LIMIT], "result_size": size}
    if outcome.verb == "handback":
        return {}
    return {
        "error": outcome.error,
        "message": outcome.message,
        "traceback": outcome.traceback,
    }
