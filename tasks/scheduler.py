"""The scheduler process: releases what is due, takes back what was lost, tidies up.

Each part is safe to run twice, so any number of schedulers may run.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event

from django.db import Error as LedgerError
from django.db import connections

from tasks import pauses, recovery, retention
from tasks.broker import upkeep
from tasks.catalog import note_tasks
from tasks.errors import BrokerUnavailable
from tasks.reconcile import Reconciler

logger = logging.getLogger(__name__)

#: Seconds between looks for new delayed jobs, so also how late one may be noticed.
LOOK_EVERY = 0.05

#: Seconds between two sweeps, two pushes of what was not pushed, two tidyings of Redis and
#: of the ledger.
SWEEP_EVERY, PUSH_EVERY, TIDY_EVERY, LIVENESS_EVERY = 2.0, 2.0, 60.0, 5.0

#: Seconds for which Redis may have another idea of what is paused than the ledger.
RECONCILE_EVERY = 2.0

#: Seconds before the next try when Redis or the database is away.
PAUSE = 0.5

#: Seconds between looks for new queues.
QUEUES_EVERY = 1.0


@dataclass
class Chore:
    """Something to do every so many seconds."""

    act: Callable[[], object]
    every: float
    next_at: float = 0.0

    def do_if_due(self, now: float) -> None:
        if now >= self.next_at:
            self.act()
            self.next_at = now + self.every


@dataclass
class Scheduler:
    """Does its chores and moves due jobs until told to stop."""

    clock: Callable[[], float] = time.time
    stopping: Event = field(default_factory=Event)
    _queues: list[str] = field(default_factory=list)
    _is_down: bool = False

    def __post_init__(self) -> None:
        self._chores = [
            Chore(self._look_for_queues, QUEUES_EVERY),
            Chore(lambda: upkeep.note_liveness("scheduler"), LIVENESS_EVERY),
            Chore(recovery.requeue_lost_jobs, SWEEP_EVERY),
            Chore(recovery.note_lost_workers, SWEEP_EVERY),
            Chore(recovery.push_unconfirmed, PUSH_EVERY),
            Chore(pauses.reconcile, RECONCILE_EVERY),
            Chore(self._tidy, TIDY_EVERY),
            Chore(retention.prune_recoveries, TIDY_EVERY),
            Chore(note_tasks, float("inf")),
            Chore(Reconciler().step, 0.0),
        ]

    def run(self) -> None:
        """Work until `stopping` is set; outages are logged once and waited out."""
        while not self.stopping.is_set():
            pause = self.step()
            self.stopping.wait(pause)
        try:
            upkeep.forget_liveness("scheduler")
        except BrokerUnavailable as error:
            logger.warning("the scheduler could not sign off: %s", error)

    def step(self) -> float:
        """Do what is due and return the seconds until there may be more."""
        is_well = self._do_chores()
        try:
            moved, next_due = upkeep.move_due(self._queues)
        except BrokerUnavailable as error:
            self._note_outage(error)
            return PAUSE
        if not is_well:
            return PAUSE
        self._is_down = False
        if moved:
            return 0.0
        left = LOOK_EVERY if next_due is None else next_due - self.clock()
        return min(LOOK_EVERY, max(0.0, left))

    def _do_chores(self) -> bool:
        """Do what is due, and say whether all went well.

        What fails does not keep the others from being done; but a ledger that may not
        answer is asked once only, so that what Redis holds moves on meanwhile.
        """
        is_well = True
        for chore in self._chores:
            try:
                chore.do_if_due(self.clock())
            except BrokerUnavailable as error:
                self._note_outage(error)
                is_well = False
            except LedgerError as error:
                self._note_outage(error)
                connections.close_all()  # a broken one is not mended by itself
                return False
        return is_well

    def _look_for_queues(self) -> None:
        self._queues = upkeep.queue_names()

    def _tidy(self) -> None:
        for queue in self._queues:
            upkeep.forget_expired(queue)
        upkeep.forget_workers()

    def _note_outage(self, error: Exception) -> None:
        if not self._is_down:
            logger.warning("the scheduler waits: %s", error)
        self._is_down = True
