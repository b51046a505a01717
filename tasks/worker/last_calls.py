"""Callbacks of sync jobs whose child cannot make them any more: it was killed, or died."""

from __future__ import annotations

import asyncio
from typing import Any

from tasks.worker.attempt import Running
from tasks.worker.callbacks import Callback, callback_of, error_told
from tasks.worker.calls import Outcome
from tasks.worker.child_process import Errand
from tasks.worker.children import ChildPool

#: What a callback needs to know of its job, and the child was told already.
_KEPT = ("id", "task", "queue", "attempt", "pickled")


async def last_call(
    running: Running, pool: ChildPool, state: str, outcome: Outcome
) -> None:
    """Make the callback for a job's end in `state`, if it has one, in another child.

    Where none is free for long, a thread makes it.
    """
    callback = callback_of(running.job, state)
    if callback is None or running.errand is None:
        return
    request = _request(callback, running.errand.request, outcome)
    if not await _is_made(request, callback, running, pool):
        about = error_told(outcome.error, outcome.message) if state == "failed" else ()
        await callback.call_quietly_in_thread(running.context, *about)


def _request(
    callback: Callback, asked: dict[str, Any], outcome: Outcome
) -> dict[str, Any]:
    request = {name: asked[name] for name in _KEPT if name in asked}
    request |= {"timeout": None}
    request["call"] = [callback.path, callback.state, callback.timeout]
    if callback.state == "failed":
        request["error"] = [outcome.error, outcome.message]
    return request


async def _is_made(
    request: dict[str, Any], callback: Callback, running: Running, pool: ChildPool
) -> bool:
    ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

    def note(outcome: Outcome, started: float | None) -> None:
        if not ended.done():
            ended.set_result(outcome)

    limit = callback.timeout if callback.timeout > 0 else None
    running.errand = Errand(request, b"", limit, note, running.context.sink)
    pool.run(running.errand)
    return (await ended).verb != "handback"
