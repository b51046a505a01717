"""The process that moves due jobs, beside the one that does a scheduler's chores.

It is a copy of that one, so that no chore keeps a job waiting, not even for Python's lock.
"""

from __future__ import annotations

import os
import select
import signal
import time
from ctypes import c_double
from mmap import mmap
from multiprocessing import get_context

from tasks.broker.mover import Mover
from tasks.process import die_with_parent

#: Seconds without a look after which it is not at work: waits for Redis are shorter.
WELL_WITHIN = 15.0

#: Seconds that it gets to end.
LAST_WORDS = 5.0


class MoverProcess:
    """Moves due jobs in a process of its own, which ends with this one."""

    def __init__(self) -> None:
        #: Closed when the process is to end, or by the end of this one.
        self._order, self._line = os.pipe()
        #: When it last looked, in memory that both processes see.
        self._looked = c_double.from_buffer(mmap(-1, 8))
        self._process = get_context("fork").Process(
            target=self._run, args=(os.getpid(),), name="mover"
        )

    def start(self) -> None:
        """Start it, before there are threads and connections to a database."""
        self._looked.value = time.monotonic()
        self._process.start()
        os.close(self._order)

    @property
    def has_ended(self) -> bool:
        return not self._process.is_alive()

    @property
    def is_well(self) -> bool:
        """Whether it looks for due jobs, as one that a signal has stopped does not."""
        return time.monotonic() - self._looked.value < WELL_WITHIN

    def stop(self) -> int:
        """Have it end; returns its exit code, which is negative for a signal."""
        os.close(self._line)
        self._process.join(LAST_WORDS)
        if not self.has_ended:
            self._process.kill()
            self._process.join()
        return self._process.exitcode or 0

    def _run(self, parent: int) -> None:
        die_with_parent(parent)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # it ends with its parent
        os.close(self._line)
        Mover().run(self._is_over)

    def _is_over(self) -> bool:
        self._looked.value = time.monotonic()
        return bool(select.select([self._order], [], [], 0)[0])
