"""The scheduler process: releases what is due, takes back what was lost, tidies up.

Each part is safe to run twice, so any number of schedulers may run. Due jobs move in a
process of their own, so that no chore keeps them waiting.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event

from django.db import Error as LedgerError
from django.db import connections

from tasks import pauses, recovery, retention
from tasks.broker import periodic, upkeep
from tasks.broker.mover import Mover
from tasks.catalog import note_tasks
from tasks.errors import BrokerUnavailable
from tasks.moving import MoverProcess
from tasks.reconcile import Reconciler
from tasks.retention import FirePruning
from tasks.schedules.backfilling import Backfilling
from tasks.schedules.clock import clock as redis_clock
from tasks.schedules.endings import Endings
from tasks.schedules.fires import Firing
from tasks.schedules.overdue import OverdueWatch
from tasks.schedules.sync import FirstSync
from tasks.supervisor.program import describe_ending

logger = logging.getLogger(__name__)

#: Seconds between looks for chores.
LOOK_EVERY = 0.05

#: Seconds between two sweeps, two pushes of what was not pushed, two tidyings of Redis and
#: of the ledger.
SWEEP_EVERY, PUSH_EVERY, TIDY_EVERY, LIVENESS_EVERY = 2.0, 2.0, 60.0, 5.0

#: Seconds between looks for the ends that schedules wait for, and for jobs of schedules
#: whose scheduler did not push them.
ENDS_EVERY, FIRED_EVERY = 1.0, 1.0

#: Seconds between two removals of Fires that are kept no more.
PRUNE_EVERY = 1.0

#: Seconds between looks for room for further jobs of backfills.
BACKFILL_EVERY = 0.25

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

    #: Of chores; it must not jump as a host's clock does.
    clock: Callable[[], float] = time.monotonic
    stopping: Event = field(default_factory=Event)
    #: The time by which schedules fire.
    now: Callable[[], datetime] = redis_clock.now
    _firing: Firing = field(default_factory=Firing)
    _endings: Endings = field(default_factory=Endings)
    _backfilling: Backfilling = field(default_factory=Backfilling)
    #: When a schedule is due next, by the clock of chores.
    _fires_at: float = 0.0
    _pruning: FirePruning = field(default_factory=FirePruning)
    #: What moves due jobs: in `step`, and beside `run`.
    _mover: Mover = field(default_factory=Mover)
    _moving: MoverProcess | None = None
    _queues: list[str] = field(default_factory=list)
    _is_down: bool = False

    def __post_init__(self) -> None:
        self._chores = [
            Chore(self._look_for_queues, QUEUES_EVERY),
            Chore(self._note_liveness, LIVENESS_EVERY),
            Chore(recovery.requeue_lost_jobs, SWEEP_EVERY),
            Chore(self._note_ends, ENDS_EVERY),
            Chore(self._fire, 0.0),
            Chore(OverdueWatch(self.clock, self.now).step, 0.0),
            Chore(lambda: self._backfilling.step(self.now()), BACKFILL_EVERY),
            Chore(lambda: recovery.push_fired(self.now()), FIRED_EVERY),
            Chore(recovery.note_lost_workers, SWEEP_EVERY),
            Chore(recovery.push_unconfirmed, PUSH_EVERY),
            Chore(pauses.reconcile, RECONCILE_EVERY),
            Chore(self._tidy, TIDY_EVERY),
            Chore(retention.prune_recoveries, TIDY_EVERY),
            Chore(self._prune_fires, PRUNE_EVERY),
            Chore(note_tasks, float("inf")),
            Chore(FirstSync().step, RECONCILE_EVERY),
            Chore(Reconciler(self.now).step, 0.0),
        ]

    def run(self) -> bool:
        """Work until `stopping` is set; outages are logged once and waited out.

        Returns whether it ended as it was told to. One that moves no jobs ends by itself:
        its supervisor starts another.
        """
        self._moving = moving = MoverProcess()
        moving.start()
        try:
            while not (self.stopping.is_set() or moving.has_ended):
                is_well = self._do_chores()
                self.stopping.wait(self._pause() if is_well else PAUSE)
        finally:
            has_failed = moving.has_ended
            ending = describe_ending(moving.stop())
        if has_failed:
            logger.error("the process that moves due jobs %s", ending)
        self._sign_off()
        return not has_failed

    def _sign_off(self) -> None:
        try:
            upkeep.forget_liveness("scheduler")
        except BrokerUnavailable as error:
            logger.warning("the scheduler could not sign off: %s", error)

    def _note_liveness(self) -> None:
        if self._moving is None or self._moving.is_well:
            upkeep.note_liveness("scheduler")
        else:
            logger.warning("the process that moves due jobs does not answer")

    def step(self) -> float:
        """Do all that `run` does once; returns the seconds until there may be more."""
        is_well = self._do_chores()
        try:
            pause = self._mover.step()
        except BrokerUnavailable as error:
            self._note_outage(error)
            return PAUSE
        return min(pause, self._pause()) if is_well else PAUSE

    def _pause(self) -> float:
        """Return the seconds until a chore may be due, or a schedule is."""
        return min(LOOK_EVERY, max(0.0, self._fires_at - self.clock()))

    def _note_ends(self) -> None:
        if self._endings.step(self.now()):
            self._firing.wake()

    def _fire(self) -> None:
        now, began = self.now(), self.clock()
        left = self._firing.step(now) - now
        self._fires_at = began + left.total_seconds()

    def _prune_fires(self) -> None:
        self._pruning.step(self.now())

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
        self._is_down = self._is_down and not is_well
        return is_well

    def _look_for_queues(self) -> None:
        self._queues = upkeep.queue_names()

    def _tidy(self) -> None:
        for queue in self._queues:
            upkeep.forget_expired(queue)
        upkeep.forget_workers()
        periodic.forget_gone()

    def _note_outage(self, error: Exception) -> None:
        if not self._is_down:
            logger.warning("the scheduler waits: %s", error)
        self._is_down = True
