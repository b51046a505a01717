"""A worker's process: its loop runs until the worker has ended, whatever jobs do to it."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal

import uvloop

from tasks.worker.loop import Worker

logger = logging.getLogger(__name__)

#: New objects (less those that went) after which the young are looked at, and how often
#: that happens before older ones are, and the oldest. Python's own are 700, 10 and 10.
COLLECT_AFTER = 10_000, 10, 10

#: Seconds that coroutines get to end after the worker has.
LAST_WORDS = 1.0


def run_to_end(worker: Worker) -> None:
    """Run a worker in this process."""
    _calm_collector()
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, worker.stop)
    loop.add_signal_handler(signal.SIGUSR1, worker.quiet)
    main = loop.create_task(worker.run())
    while not main.done():
        try:
            loop.run_until_complete(main)
        except (SystemExit, KeyboardInterrupt, RuntimeError) as error:
            # Of a task that a job started; asyncio lets these through to here.
            if main.done() or loop.is_closed():
                raise
            logger.warning("a job tried to end the worker, which goes on: %r", error)
    main.result()
    _end_rest(loop)


def _calm_collector() -> None:
    """Have Python's collector of cycles look at less, and less often.

    What is loaded by now stays. Of a hundred thousand jobs in flight it would otherwise
    look at each dozens of times, and take as long as all the rest.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def _end_rest(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what jobs left behind; what does not heed that ends with the process."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        _done, stubborn = loop.run_until_complete(
            asyncio.wait(left, timeout=LAST_WORDS)
        )
        if stubborn:
            logger.warning("%s coroutines do not end and are left", len(stubborn))
            return
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
