"""Suspects: jobs that workers died of. Each runs in a process made for it alone, under a
keeper (keeper.py), so that whoever it kills now is not a worker."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from functools import partial

from tasks.worker.calls import Outcome, ProcessDied, failed, stopped
from tasks.worker.child_process import ChildProcess, Errand
from tasks.worker.children import RESTART_PAUSE, ChildPool
from tasks.worker.programs import execute

logger = logging.getLogger(__name__)

#: What the process runs.
KEEPER = "tasks.worker.keeper"


class SoloProcess(ChildProcess):
    """A child under a keeper, for one errand."""

    def _outcome(self, errand: Errand, code: int) -> Outcome:
        outcome = super()._outcome(errand, code)
        was_killed = self._target is not None or errand.stopping
        return outcome if was_killed else replace(outcome, verb="quarantine")


class SoloRuns:
    """The suspects that a worker runs now, watched over by its pool of children."""

    def __init__(self, pool: ChildPool) -> None:
        self._pool = pool
        self._runs: dict[Errand, asyncio.Task[None]] = {}
        #: Those that a process was sent: it tells how they end.
        self._sent: set[Errand] = set()

    def __len__(self) -> int:
        return len(self._runs)

    def __contains__(self, errand: Errand) -> bool:
        return errand in self._runs

    def run(self, errand: Errand) -> None:
        """Have an errand run in a process of its own; `errand.ended` is told."""
        task = asyncio.create_task(self._run(errand))
        self._runs[errand] = task
        task.add_done_callback(lambda _task: self._forget(errand))

    def _forget(self, errand: Errand) -> None:
        del self._runs[errand]
        self._sent.discard(errand)
        self._pool.changed()  # a slot came free

    def end(self, errand: Errand) -> None:
        """End an errand, whether or not it has begun."""
        if errand.child:
            errand.child.end(errand)
        elif errand not in self._sent and not errand.is_doomed:
            outcome = stopped() if errand.stopping else failed(ProcessDied())
            errand.ended(outcome, None)
        errand.is_doomed = True

    async def close(self) -> None:
        """End every process."""
        for errand in tuple(self._runs):
            if errand.child:
                errand.child.end(errand)
        runs = tuple(self._runs.values())
        for run in runs:
            run.cancel()
        await asyncio.gather(*runs, return_exceptions=True)

    async def _run(self, errand: Errand) -> None:
        over = asyncio.Event()
        child = SoloProcess(
            partial(execute, KEEPER),
            lambda _child: over.set(),
            lambda _child, _left: over.set(),
        )
        try:
            if await self._has_begun(errand, child):
                await over.wait()
        finally:
            self._pool.dismiss(child)
            if hasattr(child, "process"):
                await child.close()

    async def _has_begun(self, errand: Errand, child: SoloProcess) -> bool:
        try:
            came_up = await child.start()
        except OSError as error:
            logger.error("no process could be started for a suspect: %s", error)
            came_up = False
        if not came_up or child.process.returncode is not None:
            await asyncio.sleep(RESTART_PAUSE)
            if not errand.is_doomed:
                errand.ended(Outcome("handback"), None)
            return False
        if errand.is_doomed:
            return False
        self._pool.watch_over(child)
        self._sent.add(errand)
        child.send([errand])
        return True
