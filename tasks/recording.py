"""The recorder process: reads events, records them, confirms them."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass, field
from threading import Event as ThreadEvent

from django.db import DataError, IntegrityError, connection, connections
from django.db import Error as LedgerError

from tasks.broker import upkeep
from tasks.broker.events import BATCH, WAIT_FOR, Event, EventReader
from tasks.broker.live import announce
from tasks.errors import BrokerUnavailable
from tasks.recorder import record
from tasks.schedules.overdue import OverdueWatch

logger = logging.getLogger(__name__)

#: Seconds between two signs of life.
LIVENESS_EVERY = 5.0

#: Seconds between two batches, in which events gather: a batch of one costs nearly as
#: much as one of fifty, and every batch takes SQLite's write lock from the submitters.
COLLECT_FOR = 0.02

#: Seconds before the next try when Redis or the database is away.
PAUSE = 0.5


#: Loops of one process. While PostgreSQL writes what the one has read, the other reads;
#: SQLite has one writer at a time.
LOOPS = {"postgresql": 2}


def record_until(stopping: ThreadEvent) -> None:
    """Record events until told to stop; raises what ended a loop, after the others."""
    count = LOOPS.get(connection.vendor, 1)
    with futures.ThreadPoolExecutor(count, "recorder") as pool:
        loops = [pool.submit(_loop, number, stopping) for number in range(count)]
        futures.wait(loops, return_when=futures.FIRST_COMPLETED)
        stopping.set()
    for loop in loops:
        loop.result()


def _loop(number: int, stopping: ThreadEvent) -> None:
    name = f"{socket.gethostname()}-{os.getpid()}-{number}"
    try:
        Recorder(EventReader(name), stopping=stopping).run()
    finally:
        connections.close_all()


@dataclass
class Recorder:
    """Records events until told to stop."""

    reader: EventReader = field(default_factory=EventReader)
    clock: Callable[[], float] = time.monotonic
    stopping: ThreadEvent = field(default_factory=ThreadEvent)
    _unrecorded: list[Event] = field(default_factory=list)
    _alive_at: float = float("-inf")
    _is_down: bool = False

    def __post_init__(self) -> None:
        self._watch = OverdueWatch(self.clock)

    def run(self) -> None:
        """Work until `stopping` is set; then record what is left and return."""
        while not self.stopping.is_set():
            count = self.step()
            if count is None or count < BATCH:
                self.stopping.wait(PAUSE if count is None else COLLECT_FOR)
        while self.step(wait=0):
            pass
        try:
            upkeep.forget_liveness("recorder")
        except BrokerUnavailable as error:
            logger.warning("the recorder could not sign off: %s", error)

    def step(self, wait: float = WAIT_FOR) -> int | None:
        """Record one batch; returns its size, None when something is away.

        Waits `wait` seconds at most for the first event. A batch that could not be
        recorded is tried again, and is read by another recorder when this one ends before
        it succeeds.
        """
        try:
            self._watch.step()
            self._note_liveness()
            self._unrecorded = self._unrecorded or self.reader.read(wait)
            count = len(self._unrecorded)
            if count:
                self._record(self._unrecorded)
                self._unrecorded = []
        except (BrokerUnavailable, LedgerError) as error:
            if not self._is_down:
                logger.warning("the recorder waits: %s", error)
            self._is_down = True
            connections.close_all()  # a broken one is not mended by itself
            return None
        self._is_down = False
        return count

    def _record(self, events: list[Event]) -> None:
        _record_what_can_be(events)
        self.reader.acknowledge(events)
        announce((event.id, event["queue"]) for event in events)

    def _note_liveness(self) -> None:
        if self.clock() - self._alive_at >= LIVENESS_EVERY:
            upkeep.note_liveness("recorder")
            empty_write_ahead_log()
            self._alive_at = self.clock()


def empty_write_ahead_log() -> None:
    """Move SQLite's log into the database, before some submitter has to wait for it."""
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")


def _record_what_can_be(events: list[Event]) -> None:
    """Record what can be recorded; one broken event must not hold up the others.

    The database complains of the data that an event brings (DataError, IntegrityError);
    all else that it says (no such table, read-only after a failover) is no event's fault.
    """
    try:
        record(events)
    except Exception as error:
        if _is_of_ledger(error):
            raise
        if len(events) == 1:
            _tell_dropped(events[0])
            return
        half = len(events) // 2
        _record_what_can_be(events[:half])
        _record_what_can_be(events[half:])


def _is_of_ledger(error: Exception) -> bool:
    is_of_data = isinstance(error, DataError | IntegrityError)
    return isinstance(error, LedgerError) and not is_of_data


def _tell_dropped(event: Event) -> None:
    logger.exception(
        "event %s of job %s cannot be recorded and is dropped",
        event.entry.decode(),
        event.id,
        extra={"action": "event_dropped"},
    )
