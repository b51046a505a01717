"""Threads for blocking calls beside the loop: few, and none that holds up the worker's end.

An executor's threads are joined when the process ends, and one that never returns would
hold it for ever.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

#: Calls of one loop that run at once; more wait.
AT_ONCE = 32

_slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = (
    WeakKeyDictionary()
)


async def run_in_thread(function: Callable[..., Any], *args: Any) -> Any:
    """Run a function in a thread; its context variables are the caller's.

    Where the caller gives up, the thread is left to itself.
    """
    call = partial(contextvars.copy_context().run, function, *args)
    loop = asyncio.get_running_loop()
    async with _slots.setdefault(loop, asyncio.Semaphore(AT_ONCE)):
        answer: Future[Any] = Future()
        threading.Thread(target=_answer, args=(answer, call), daemon=True).start()
        return await asyncio.wrap_future(answer)


def _answer(answer: Future[Any], call: Callable[[], Any]) -> None:
    answer.set_running_or_notify_cancel()
    try:
        result = call()
    except BaseException as error:  # it belongs to who waits
        answer.set_exception(error)
    else:
        answer.set_result(result)
