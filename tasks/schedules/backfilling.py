"""The scheduler's part in backfills: submits their moments as the jobs before them end.

Rows, jobs and the place up to which a backfill has come are written in one transaction,
for which its row is locked: any number of schedulers, and no moment twice. Of one that
was aborted, the jobs that wait are canceled.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from django.db import DataError, IntegrityError, transaction
from django.db import Error as LedgerError
from django.db.models import Case, Q, QuerySet, When

from tasks import actions
from tasks.admission import require_room
from tasks.broker.wire import Envelope
from tasks.errors import (
    BrokerFull,
    BrokerUnavailable,
    JobNotFound,
    TransitionNotAllowed,
)
from tasks.models import Audit, Backfill, Fire, Job, Schedule
from tasks.models.backfill import BackfillState
from tasks.models.fire import Verdict
from tasks.registry import Call, registry
from tasks.schedules.days_off import Moment
from tasks.schedules.drafts import actor_of
from tasks.schedules.past import Past
from tasks.schedules.refusals import Refusal, make_fire, refusal_of
from tasks.schedules.writing import give_up_when_frozen
from tasks.states import ENDED
from tasks.submission import hand_in, prepare

logger = logging.getLogger(__name__)

#: Backfills that one step looks at, those that it moves on, and jobs after which it
#: stops: it takes some 50 ms, and schedules wait for it.
LOOKED_AT, MOST_TURNS, MOST_JOBS = 20, 5, 30


@dataclass
class Backfilling:
    """Moves backfills on in turn, some of them in each step."""

    #: The number of the one that was looked at last.
    _last: int = 0

    def step(self, now: datetime) -> int:
        """Submit what may run now of some backfills; returns how many jobs.

        One that cannot go on is paused with the reason. When Redis is full, all wait.
        """
        submitted = turns = 0
        backfills = list(self._open()[:LOOKED_AT])
        if not backfills:
            return 0
        going_on = _unended(job for backfill in backfills for job in backfill.unended)
        for backfill in backfills:
            if turns == MOST_TURNS or submitted >= MOST_JOBS:
                break
            self._last = backfill.pk
            if _has_work(backfill, going_on):
                turns += 1
                submitted += _move_on(backfill, now)
        return submitted

    def _open(self) -> QuerySet[Backfill]:
        """Return those with something to do, from the one on whose turn it is."""
        aborted = Q(state=BackfillState.ABORTED) & ~Q(unended=[])
        found = Backfill.objects.filter(Q(state=BackfillState.RUNNING) | aborted)
        had_turn = Case(When(pk__lte=self._last, then=1), default=0)
        return found.order_by(had_turn, "pk").only("at_once", "unended", "state")


def _has_work(backfill: Backfill, going_on: set[str]) -> bool:
    is_aborted = backfill.state == BackfillState.ABORTED
    return is_aborted or len(going_on.intersection(backfill.unended)) < backfill.at_once


def _move_on(backfill: Backfill, now: datetime) -> int:
    """Do what a backfill has to do now; returns how many jobs it submitted."""
    try:
        if backfill.state == BackfillState.ABORTED:
            return _clear(backfill.pk)
        return _advance(backfill.pk, now)
    except BrokerFull as error:
        logger.debug("backfill %s waits: %s", backfill.pk, error)
    except Exception as error:
        if _is_outage(error):
            raise
        _set_aside(backfill.pk, error)
    return 0


def _is_outage(error: Exception) -> bool:
    """Say whether Redis or the database is away, which is no backfill's fault."""
    of_data = isinstance(error, DataError | IntegrityError)
    return isinstance(error, BrokerUnavailable | LedgerError) and not of_data


def _unended(job_ids: Iterable[str]) -> set[str]:
    """Return those of the jobs that have not ended, by the ledger."""
    found = Job.objects.filter(pk__in=list(job_ids)).exclude(state__in=ENDED)
    return set(found.order_by().values_list("pk", flat=True))


def _advance(number: int, now: datetime) -> int:
    with transaction.atomic():
        give_up_when_frozen()
        backfill = _lock(number)
        if backfill is None or _is_ahead(backfill):
            return 0
        portion = _Portion(backfill, now)
        portion.fill()
        require_room(portion.jobs)
        hand_in(portion.jobs)
        Fire.objects.bulk_create(portion.fires)
        portion.move_on()
    return len(portion.jobs)


def _clear(number: int) -> int:
    """Cancel the jobs of an aborted backfill that wait, some of them; those that run,
    run to their end.
    """
    backfill = Backfill.objects.select_related("schedule").filter(pk=number).first()
    if backfill is None:
        return 0
    some, later = backfill.unended[:MOST_JOBS], backfill.unended[MOST_JOBS:]
    for job_id in sorted(_unended(some)):
        with suppress(JobNotFound, TransitionNotAllowed):
            actions.cancel(actor_of(backfill.schedule), job_id)
    Backfill.objects.filter(pk=number).update(unended=later)
    return 0


def _lock(number: int) -> Backfill | None:
    """Return the backfill, if it still runs and no other scheduler works on it."""
    free = Backfill.objects.select_for_update(skip_locked=True, of=("self",))
    found = free.select_related("schedule__calendar")
    return found.filter(pk=number, state=BackfillState.RUNNING).first()


def _is_ahead(backfill: Backfill) -> bool:
    """Say whether moments of it are still to be decided by the schedule itself."""
    due_at = backfill.schedule.next_due_at
    return due_at is not None and due_at < backfill.last_at


def job_id_of(backfill: Backfill, due_at: datetime) -> str:
    """Return the id of the job of a moment; whoever makes it, there is one only."""
    name = f"backfill {backfill.pk} {due_at.astimezone(UTC).isoformat()}"
    return str(uuid.uuid5(backfill.schedule_id, name))


@dataclass
class _Portion:
    """The moments of a backfill that are submitted together."""

    backfill: Backfill
    now: datetime
    fires: list[Fire] = field(default_factory=list)
    #: Those that are not there yet.
    jobs: list[Envelope] = field(default_factory=list)
    _passed: list[Moment] = field(default_factory=list)

    def fill(self) -> None:
        """Take the moments that come next, as many as have room."""
        self.backfill.unended = sorted(_unended(self.backfill.unended))
        past = Past.of(self.backfill)
        left = self.backfill.at_once - len(self.backfill.unended)
        room = max(0, min(left, MOST_JOBS))
        self._passed = past.following(self.backfill.cursor)
        wanted = past.wanted(self._passed)
        if len(wanted) > room:
            self._passed = wanted[:room]
        self._take(wanted[:room])

    def _take(self, moments: Sequence[Moment]) -> None:
        if not moments:
            return
        template = _template(self.backfill.schedule, self.now)
        if isinstance(template, Refusal):
            self.fires = [self._refused(template, moment) for moment in moments]
            return
        ids = [job_id_of(self.backfill, moment.due_at) for moment in moments]
        there = set(Job.objects.filter(pk__in=ids).values_list("pk", flat=True))
        self.jobs = [replace(template, id=one) for one in ids if one not in there]
        self.fires = [
            self._ran(moment, job_id)
            for moment, job_id in zip(moments, ids, strict=True)
        ]

    def _ran(self, moment: Moment, job_id: str) -> Fire:
        return make_fire(
            self.backfill.schedule,
            moment,
            self.now,
            Verdict.RAN,
            job_key=job_id,
            backfill=self.backfill,
        )

    def _refused(self, refusal: Refusal, moment: Moment) -> Fire:
        fire = refusal.fire(self.backfill.schedule, moment, self.now)
        fire.backfill = self.backfill
        return fire

    def move_on(self) -> None:
        """Save where the backfill is now; it is done when its last job has ended."""
        backfill = self.backfill
        backfill.unended += [fire.job_key for fire in self.fires if fire.job_key]
        if self._passed:
            backfill.cursor = self._passed[-1].due_at
        elif not backfill.unended:
            backfill.state, backfill.ended_at = BackfillState.DONE, self.now
            # Some of its moments may have run meanwhile, or its schedule was changed.
            backfill.total = backfill.fires.count()
        backfill.save(update_fields=["unended", "cursor", "state", "ended_at", "total"])


def _template(schedule: Schedule, now: datetime) -> Envelope | Refusal:
    """Return a job that the others differ from by their ids; they go behind what waits."""
    try:
        return prepare(
            Call(registry.get(schedule.task), schedule.args, schedule.kwargs),
            actor=actor_of(schedule),
            now=now,
            queue=schedule.queue or None,
            timeout=schedule.timeout,
            retries=schedule.retries,
            tags=schedule.tags,
        )
    except Exception as error:  # a task's own types may raise anything
        return refusal_of(error)


def _set_aside(number: int, error: Exception) -> None:
    """Pause a backfill that cannot go on, and say why."""
    logger.error(
        "backfill %s is paused, as it cannot go on: %s",
        number,
        error,
        exc_info=error,
        extra={"action": "backfill_paused"},
    )
    with transaction.atomic():
        running = Backfill.objects.filter(pk=number, state=BackfillState.RUNNING)
        if running.update(state=BackfillState.PAUSED):
            names = Backfill.objects.values_list("schedule__name", flat=True)
            Audit.objects.create(
                actor="scheduler",
                via="code",
                verb="backfill.pause",
                target=names.get(pk=number),
                reason=f"{number}",
                result=str(error)[:500],
            )
