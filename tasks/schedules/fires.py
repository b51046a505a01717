"""The engine of schedules: each due moment becomes one Fire, and one job where it runs.

The life of a fire:

1. A scheduler reads which schedules are due by Redis' time (`Clock`), without a lock.
2. It makes a draft of each (`drafts`): which of the moments that passed run, which are
   missed or excluded, what earlier jobs have to do with it, and when it is due next.
3. `writing.write` begins a transaction, takes the rows that nobody else holds, and keeps
   those that stand as they were read. Their Fires, their jobs and their new places are
   written together: whoever is killed at any command leaves all of it or nothing.
4. After the commit the jobs are pushed. A scheduler that is killed before leaves them
   `created`; `recovery.push_fired` of any other pushes them within seconds.

So that no failure makes two jobs of a moment: the row of the schedule is changed by one
scheduler only; (schedule, due moment) is unique among Fires; and the job's id is made
of both. What cannot be decided now (Redis is full, say) stays due.
"""

from __future__ import annotations

import copy
import logging
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import DataError, IntegrityError
from django.db import Error as LedgerError

from tasks.admission import require_room
from tasks.errors import BrokerFull, BrokerUnavailable, InvalidOption, TasksError
from tasks.models import Schedule
from tasks.models.fire import Verdict
from tasks.models.schedule import Kind
from tasks.registry import registry
from tasks.schedules.drafts import TAKEOVER, Draft, make_draft
from tasks.schedules.moments import jitter_of, rule_of
from tasks.schedules.refusals import make_fire
from tasks.schedules.writing import PLACES, write

logger = logging.getLogger(__name__)

#: Schedules that one step looks at, and rows after which it writes what it has: each step
#: takes some 50 ms, and chores wait for it.
PORTION, MOST_ROWS = 100, 300

#: How soon a scheduler looks again: for what others changed, for what another one holds,
#: after it fired (a transaction costs more than ten fires in it, so that moments which
#: follow closely are gathered), after something that passes (Redis is full), and after
#: what nobody foresaw.
LOOK_AGAIN = timedelta(seconds=1)
SOON = timedelta(milliseconds=20)
GATHER_FOR = timedelta(milliseconds=250)
HOLD_BRIEFLY, HOLD_LONG = timedelta(seconds=1), timedelta(seconds=60)

#: Why moments were not decided in time: the schedule was disabled.
DISABLED = "disabled"


def is_of_ledger(error: Exception) -> bool:
    """Say whether the database is to blame, and not what was to be written."""
    is_of_data = isinstance(error, DataError | IntegrityError)
    return isinstance(error, LedgerError) and not is_of_data


def settle(schedule: Schedule, now: datetime) -> None:
    """Decide what came due until now, before a schedule is changed.

    What a scheduler would do is done, jobs and all; for one that is disabled a single
    Fire says how many moments passed. For a row that this transaction has locked; the
    instance moves on with it. Raises BrokerFull and BrokerUnavailable.
    """
    if not schedule.enabled:
        _note_disabled(schedule, now)
    elif _has_come(schedule, now):
        try:
            _fire(schedule, now)
        except Exception as error:
            if isinstance(error, TasksError) or is_of_ledger(error):
                raise
            # It may be changed because it is broken.
            logger.exception("schedule %s cannot be decided", schedule.name)


def _has_come(schedule: Schedule, now: datetime) -> bool:
    """Say whether a moment is to be decided: schedulers note those on days off a while
    after they passed.
    """
    if schedule.look_at is None or schedule.look_at <= now:
        return schedule.look_at is not None
    if schedule.calendar_id is None or schedule.kind == Kind.AFTER:
        return False
    until = now - jitter_of(schedule)
    try:
        return rule_of(schedule).count(schedule.cursor, until, due=False) > 0
    except InvalidOption:  # then there were no moments
        return False


def _fire(schedule: Schedule, now: datetime) -> None:
    moved_on = copy.copy(schedule)
    draft = make_draft(moved_on, now, now)
    require_room(draft.jobs)
    write([draft], now)
    for column in PLACES:
        setattr(schedule, column, getattr(moved_on, column))


def _note_disabled(schedule: Schedule, now: datetime) -> None:
    until = now - jitter_of(schedule)
    if schedule.kind == Kind.AFTER or schedule.is_spent or until <= schedule.cursor:
        return
    try:
        rule = rule_of(schedule)
        count = rule.count(schedule.cursor, until)
        last = rule.latest(schedule.cursor, until, 1)
    except InvalidOption:  # then there were no moments
        return
    if last:
        fire = make_fire(
            schedule, last[0], now, Verdict.PAUSED, reason=DISABLED, count=count
        )
        fire.save()
    schedule.cursor = until
    schedule.save(update_fields=["cursor"])


def _is_for_another(schedule: Schedule, now: datetime, looked_since: datetime) -> bool:
    """Say whether another scheduler is to decide it: one that may know its task."""
    if registry.find(schedule.task) is not None:
        return False
    return now < max(schedule.next_at or now, looked_since) + TAKEOVER


@dataclass
class Firing:
    """Fires what is due, some of it in each step."""

    _next_look_at: datetime | None = None
    _looked_at: datetime | None = None
    _looked_since: datetime | None = None
    #: Schedules that could not be decided, and until when they are let alone.
    _held: dict[uuid.UUID, datetime] = field(default_factory=dict)
    _is_full: bool = False
    _has_told_full: bool = False

    def step(self, now: datetime) -> datetime:
        """Decide what is due, some 100 schedules at most; returns when to look again.

        A schedule that cannot be decided is logged and holds up no other. Raises what the
        database raises that is no schedule's fault; then nothing of this step is lost.
        """
        if self._next_look_at is None or now >= self._next_look_at:
            self._next_look_at = self._look(now)
        # A clock that was put back must not let everything wait for it.
        self._next_look_at = min(self._next_look_at, now + LOOK_AGAIN)
        return self._next_look_at

    def _look(self, now: datetime) -> datetime:
        looked_since = self._note_look(now)
        self._is_full = False
        drafts, has_more = self._drafts(list(self._due(now)), now, looked_since)
        written = self._write(drafts, now)
        self._looked_at = now
        if self._is_full:
            return now + HOLD_BRIEFLY
        return now if written and has_more else self._next_look(now, written)

    def _drafts(
        self, due: Sequence[Schedule], now: datetime, looked_since: datetime
    ) -> tuple[list[Draft], bool]:
        """Return what to write, and whether more may be due."""
        drafts: list[Draft] = []
        for schedule in due:
            if _is_for_another(schedule, now, looked_since):
                self._held[schedule.pk] = now + HOLD_BRIEFLY
                continue
            drafts += self._draft(schedule, now, looked_since)
            if self._is_full or sum(draft.size for draft in drafts) >= MOST_ROWS:
                return drafts, True
        return drafts, len(due) == PORTION

    def _next_look(self, now: datetime, written: int) -> datetime:
        if written:
            return now + GATHER_FOR
        first = self._first_look_at() or now + LOOK_AGAIN
        return first if first > now else now + SOON  # another scheduler holds it

    def wake(self) -> None:
        """Look at the next step, whatever was to be expected."""
        self._next_look_at = None

    def _note_look(self, now: datetime) -> datetime:
        """Return since when this process has looked, and could write, without a gap."""
        before = self._looked_at
        if self._looked_since is None or before is None or now - before > TAKEOVER:
            self._looked_since = now
        self._held = {pk: end for pk, end in self._held.items() if end > now}
        return self._looked_since

    def _due(self, now: datetime) -> Iterable[Schedule]:
        due = Schedule.objects.due(now).exclude(pk__in=list(self._held))
        return due.select_related("calendar")[:PORTION]

    def _first_look_at(self) -> datetime | None:
        coming = Schedule.objects.filter(enabled=True, look_at__isnull=False)
        first = coming.exclude(pk__in=list(self._held)).order_by("look_at")
        return first.values_list("look_at", flat=True).first()

    def _draft(
        self, schedule: Schedule, now: datetime, looked_since: datetime
    ) -> list[Draft]:
        try:
            draft = make_draft(schedule, now, looked_since)
            self._require_room(draft)
        except (
            BrokerFull,
            BrokerUnavailable,
        ) as error:  # there is room for others, say
            logger.debug("schedule %s waits: %s", schedule.name, error)
            self._held[schedule.pk] = now + HOLD_BRIEFLY
        except Exception as error:
            if is_of_ledger(error):
                raise
            self._hold_broken(schedule, now)
        else:
            return [] if self._is_full else [draft]
        return []

    def _require_room(self, draft: Draft) -> None:
        """Note whether Redis is full; raise BrokerFull where it is for this draft only."""
        if not draft.jobs:
            return
        try:
            require_room([])
        except BrokerFull as error:
            if not self._has_told_full:
                logger.warning("schedules wait: %s", error)
            self._is_full = self._has_told_full = True
            return
        self._has_told_full = False
        require_room(draft.jobs)

    def _write(self, drafts: Sequence[Draft], now: datetime) -> int:
        """Write what can be written; one broken draft must not hold up the others."""
        if not drafts:
            return 0
        try:
            return write(drafts, now)
        except Exception as error:
            if is_of_ledger(error):
                raise
            if len(drafts) == 1:
                self._hold_broken(drafts[0].schedule, now)
                return 0
        half = len(drafts) // 2
        return self._write(drafts[:half], now) + self._write(drafts[half:], now)

    def _hold_broken(self, schedule: Schedule, now: datetime) -> None:
        logger.exception(
            "schedule %s cannot be decided and is let alone for a minute",
            schedule.name,
            extra={"action": "schedule_held"},
        )
        self._held[schedule.pk] = now + HOLD_LONG
