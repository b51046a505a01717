"""The moments of a schedule's past, and which of them are to be run after all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import islice

from tasks.models import Backfill, Fire, Job, Schedule
from tasks.models.backfill import Reprocess
from tasks.schedules.days_off import Moment
from tasks.schedules.moments import rule_of
from tasks.schedules.rule import Rule
from tasks.schedules.zones import TICK
from tasks.states import ENDED, State

#: Moments that are looked at together: two queries ask what became of them.
AT_A_TIME = 500

#: A job that ended so may be run again where failures are.
_WENT_WRONG = ENDED - {State.FINISHED}


@dataclass(frozen=True)
class Past:
    """The due moments of a schedule from `first_at` to before `last_at`, in an order."""

    schedule: Schedule
    first_at: datetime
    last_at: datetime
    #: One of Reprocess: which of the moments are wanted.
    reprocess: str
    newest_first: bool = False

    @classmethod
    def of(cls, backfill: Backfill) -> Past:
        return cls(
            backfill.schedule,
            backfill.first_at,
            backfill.last_at,
            backfill.reprocess,
            backfill.newest_first,
        )

    def count(self, most: int) -> int:
        """Return how many moments there are, wanted or not; no more than `most`."""
        moments = self._rule.moments(
            self.first_at - TICK, before=self.last_at, due=True
        )
        return sum(1 for _one in islice(moments, most))

    def following(self, cursor: datetime | None, most: int = AT_A_TIME) -> list[Moment]:
        """Return the moments that come next, after one or from the beginning on."""
        if self.newest_first:
            until = (self.last_at if cursor is None else cursor) - TICK
            return self._rule.latest(self.first_at - TICK, until, most)[::-1]
        after = self.first_at - TICK if cursor is None else cursor
        return list(
            islice(self._rule.moments(after, before=self.last_at, due=True), most)
        )

    def portions(self) -> Iterator[list[Moment]]:
        """Yield all moments, some at a time."""
        cursor = None
        while moments := self.following(cursor):
            yield moments
            cursor = moments[-1].due_at

    def wanted(self, moments: Sequence[Moment]) -> list[Moment]:
        """Return those of the moments that are to be run."""
        settled = self._settled([moment.due_at for moment in moments])
        return [moment for moment in moments if moment.due_at not in settled]

    def _settled(self, moments: Sequence[datetime]) -> set[datetime]:
        """Return those that ran, by the schedule itself or by another backfill."""
        if self.reprocess == Reprocess.ALL:
            return set()
        fires = Fire.objects.submitted().filter(schedule=self.schedule)
        ran = list(
            fires.filter(due_at__in=moments).order_by().values_list("due_at", "job_key")
        )
        if self.reprocess == Reprocess.NONE:
            return {due_at for due_at, _job in ran}
        jobs = Job.objects.filter(pk__in=[job for _due_at, job in ran]).order_by()
        wrong = set(jobs.in_state(*_WENT_WRONG).values_list("pk", flat=True))
        return {due_at for due_at, job in ran if job not in wrong}

    @cached_property
    def _rule(self) -> Rule:
        return rule_of(self.schedule)
