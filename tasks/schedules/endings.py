"""Schedules that count from the end of their last run: when that was."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from tasks.broker import jobs as broker_jobs
from tasks.errors import BrokerUnavailable, InvalidOption
from tasks.models import Job, Schedule
from tasks.schedules.drafts import TRY_RULE_AGAIN
from tasks.schedules.fires import is_of_ledger
from tasks.schedules.moments import rule_of
from tasks.schedules.plans import PLANNED, plan_a_look, plan_after_end
from tasks.states import ENDED

logger = logging.getLogger(__name__)

#: Schedules that one round plans, and jobs of which it asks Redis.
AT_ONCE = 100


@dataclass
class Endings:
    """Finds the ends of last runs and plans what follows them."""

    #: The last job of which Redis was asked, in the order of their ids.
    _asked_until: str = ""

    def step(self, now: datetime) -> int:
        """Plan the next moments of schedules whose last job has ended; returns how many.

        The ledger says so, else Redis, where the recorder is behind: of 100 jobs in each
        round, one after the other. A job that nobody knows any more has ended.
        """
        if not Schedule.objects.awaiting_an_end().exists():
            return 0
        ended = _ended_by_ledger()
        planned = [_plan(schedule, min(at or now, now), now) for schedule, at in ended]
        planned += [_plan(schedule, now, now) for schedule in self._ended_by_redis()]
        return sum(planned)

    def _ended_by_redis(self) -> Iterable[Schedule]:
        waiting = _awaiting().filter(awaits__gt=self._asked_until)
        asked = list(waiting.order_by("awaits")[:AT_ONCE])
        self._asked_until = asked[-1].awaits if len(asked) == AT_ONCE else ""
        if not asked:
            return []
        try:
            states = broker_jobs.known_states([schedule.awaits for schedule in asked])
        except BrokerUnavailable:
            return []
        return [schedule for schedule in asked if states.get(schedule.awaits) in ENDED]


def _awaiting() -> QuerySet[Schedule]:
    return Schedule.objects.awaiting_an_end().select_related("calendar")


def _ended_by_ledger() -> list[tuple[Schedule, datetime | None]]:
    awaited = Job.objects.filter(pk=OuterRef("awaits"))
    unended = awaited.exclude(state__in=ENDED)
    schedules = list(_awaiting().filter(~Exists(unended)).order_by()[:AT_ONCE])
    ids = [schedule.awaits for schedule in schedules]
    ends = dict(Job.objects.filter(pk__in=ids).order_by().values_list("pk", "ended_at"))
    return [(schedule, ends.get(schedule.awaits)) for schedule in schedules]


def _plan(schedule: Schedule, ended_at: datetime, now: datetime) -> bool:
    """Plan what follows an end, unless another scheduler, or a change, was first."""
    same = Schedule.objects.filter(
        pk=schedule.pk, awaits=schedule.awaits, version=schedule.version, enabled=True
    )
    try:
        plan_after_end(schedule, rule_of(schedule), ended_at)
    except Exception as error:
        if is_of_ledger(error):
            raise
        if not isinstance(error, InvalidOption):  # somebody wrote into the row, say
            logger.exception("schedule %s cannot be planned", schedule.name)
        plan_a_look(schedule, now + TRY_RULE_AGAIN)
    return bool(same.update(**{name: getattr(schedule, name) for name in PLANNED}))
