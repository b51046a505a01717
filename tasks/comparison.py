"""What is wrong with a job, from what ledger and broker say of it: rules without effects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import NamedTuple

from tasks.adoption import STOCK
from tasks.broker.engine import LEASE_FOR
from tasks.broker.reconcile import Sight
from tasks.states import ENDED, State

#: Seconds that a score may be off the ledger's moment: it is rounded to the millisecond.
PRECISION = 0.002

#: Unix seconds from which on a moment is none that the ledger can hold.
LAST_MOMENT = datetime.max.replace(tzinfo=UTC).timestamp()


class Row(NamedTuple):
    """What the ledger says of a job."""

    id: str
    queue: str
    state: str
    seq: int
    submitted_by: str
    created_at: datetime
    due_at: datetime | None = None

    def is_moved_to(self, score: float) -> bool:
        """Say whether a delay of ours ends at another moment than the ledger says."""
        if not 0 <= score < LAST_MOMENT:
            return False
        told = self.due_at.timestamp() if self.due_at else 0.0
        return abs(score - told) > PRECISION


class Verdict(Enum):
    #: Redis has forgotten a job that is to run: it is pushed again, or its hash is
    #: written again where a worker runs it.
    RESTORE = auto()
    RESTORE_RUNNING = auto()
    #: Another client removed it, wholly or from where it waited.
    REMOVE = auto()
    CANCEL = auto()
    #: It is not where its status says.
    QUEUE = auto()
    ASIDE = auto()
    LOSE = auto()
    UNBLOCK = auto()
    #: The ledger has missed an event of it, or all of them.
    TELL = auto()
    ADOPT = auto()
    #: Redis came back with an older state of a job that has ended.
    FORGET = auto()


class Delays(NamedTuple):
    """How long something must look wrong before it is mended."""

    stable: timedelta = timedelta(seconds=2)
    #: The same for a job that ran: its worker may not know yet that it has lost it.
    unheld: timedelta = timedelta(seconds=LEASE_FOR + 1)


@dataclass(frozen=True, slots=True)
class Suspect:
    """A job of which ledger and broker did not say the same, and when."""

    id: str
    #: None where the ledger does not know it.
    row: Row | None
    sight: Sight
    looked_at: datetime
    is_queued: bool = False
    #: Whether the ledger knows of no parent that it waits for.
    is_unblocked: bool = False
    #: Whether another client gave it another moment.
    is_moved: bool = False

    @property
    def state(self) -> str:
        return self.row.state if self.row else ""

    @property
    def queue(self) -> str:
        return self.row.queue if self.row else ""

    @property
    def seq(self) -> int:
        return self.row.seq if self.row else 0

    def delay(self, delays: Delays) -> timedelta:
        """Return after which time it may be looked at again, and then be judged."""
        runs_for_ledger = self.state == State.STARTED and not self.sight.status
        runs = runs_for_ledger or self.sight.status == State.STARTED
        is_unheld = runs and self.sight.place != "held"
        return delays.unheld if is_unheld else delays.stable


KNOWN = frozenset(State) - {State.CREATED}


def judge(suspect: Suspect, *, is_doubted: bool) -> Verdict | None:
    """Say what is to be done; None where nothing is wrong.

    `is_doubted` says that Redis may have lost data since it last agreed with the ledger.
    """
    row, sight = suspect.row, suspect.sight
    if row is None or row.state in ENDED:
        return _of_stranger(row, sight)
    if not sight.status:
        return _of_gone(suspect, row, is_doubted=is_doubted)
    if sight.status not in KNOWN:
        return None
    is_heard = (sight.status, sight.seq) == (row.state, str(row.seq))
    is_heard &= not suspect.is_moved
    verdict = _misplaced(suspect, row)
    if verdict == Verdict.CANCEL and is_doubted:
        return Verdict.ASIDE
    return verdict or (None if is_heard else Verdict.TELL)


def _of_stranger(row: Row | None, sight: Sight) -> Verdict | None:
    """Judge what is to run by Redis, and not by the ledger."""
    waits = sight.status in (State.QUEUED, State.SCHEDULED, State.DEFERRED)
    if row is None:
        # What a dead stock worker ran is lost by the next comparison.
        is_dead = sight.status == State.STARTED and not sight.place
        return Verdict.ADOPT if waits or is_dead else None
    # Without a number: its next event brings one.
    if sight.seq.isdigit() and (waits or sight.status == State.STARTED):
        if int(sight.seq) < row.seq:
            return Verdict.FORGET
        return Verdict.TELL if waits else None
    return None


def _of_gone(suspect: Suspect, row: Row, *, is_doubted: bool) -> Verdict | None:
    if row.state == State.CREATED:  # pushed by and by
        return None
    if suspect.sight.place == "held":
        return Verdict.RESTORE_RUNNING
    # A stock client may have limited the time for which its job waits.
    is_listed = suspect.is_queued or suspect.sight.place != ""
    if is_doubted or (is_listed and row.submitted_by != STOCK):
        return Verdict.RESTORE
    return Verdict.REMOVE


def _misplaced(suspect: Suspect, row: Row) -> Verdict | None:
    sight = suspect.sight
    if sight.status == State.QUEUED:
        return None if suspect.is_queued else Verdict.QUEUE
    if sight.status == State.STARTED:
        return None if sight.place else Verdict.LOSE
    if sight.status == State.SCHEDULED and sight.place != "aside":
        # The first is rq-scheduler's own way to cancel a job, whoever submitted it.
        is_removed = sight.place == "removed" or row.submitted_by == STOCK
        return Verdict.CANCEL if is_removed else Verdict.ASIDE
    if sight.status == State.DEFERRED and (suspect.is_unblocked or not sight.place):
        return Verdict.UNBLOCK
    return None
