"""What the ledger keeps only for a time."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from tasks.conf import get_config
from tasks.models import Backfill, Fire, Job, Recovery
from tasks.models.backfill import BackfillState
from tasks.models.fire import FireQuerySet
from tasks.schedules.fire_reports import STRIP
from tasks.states import ENDED

logger = logging.getLogger(__name__)

#: Rows that one round removes, so that none holds up the scheduler's other chores.
AT_ONCE = 500

#: Fires that one round looks at, and how long it is let be when all were looked at.
FIRES_AT_ONCE = 200
REST_FOR = timedelta(seconds=60)


def prune_recoveries() -> int:
    """Remove the oldest losses of workers that are kept no more; returns how many."""
    kept_for = timedelta(days=get_config().taskyard_recovery_days)
    over = Recovery.objects.noticed_before(timezone.now() - kept_for)
    oldest = list(over.order_by("noticed_at").values_list("pk", flat=True)[:AT_ONCE])
    # Asked again: a worker may have been lost once more meanwhile.
    removed, _by_model = over.filter(pk__in=oldest).delete() if oldest else (0, {})
    if removed:
        logger.info("%s losses of workers were removed", removed)
    return removed


@dataclass
class FirePruning:
    """Removes Fires that are kept no more, going through all of them again and again.

    In the order of their keys, which is about that of time, so that it needs no index of
    its own and what must be kept for longer is passed by.
    """

    _after: int = 0
    _rests_until: datetime | None = None

    def step(self, now: datetime) -> int:
        """Remove what is to go of the next 200; returns how many."""
        if self._rests_until is not None and now < self._rests_until:
            return 0
        until = now - timedelta(days=get_config().taskyard_fire_days)
        coming = Fire.objects.filter(pk__gt=self._after).order_by("pk")
        rows = list(coming.values_list("pk", "decided_at")[:FIRES_AT_ONCE])
        old = [pk for pk, decided_at in rows if decided_at < until]
        is_through = len(rows) < FIRES_AT_ONCE or rows[-1][1] >= until
        self._after = 0 if is_through else rows[-1][0]
        self._rests_until = now + REST_FOR if is_through else None
        removed, _by_model = _of_no_use(old).delete() if old else (0, {})
        return removed


def _of_no_use(keys: list[int]) -> FireQuerySet:
    """Return those Fires that nobody needs, whatever their age.

    Needed are the newest of a schedule, which the list shows; those whose jobs the next
    moment may have to wait for, or be counted from; and those of a backfill that goes on.
    """
    newer = Fire.objects.filter(
        schedule=OuterRef("schedule"), backfill=None, due_at__gt=OuterRef("due_at")
    )
    shown_later = newer.order_by("due_at")[STRIP - 1 : STRIP]
    has_newer_job = Q(job_key="") | Exists(newer.exclude(job_key=""))
    going_on = Backfill.objects.filter(
        pk=OuterRef("backfill"), state__in=(BackfillState.RUNNING, BackfillState.PAUSED)
    )
    of_schedule = Q(Exists(shown_later), has_newer_job, backfill=None)
    of_backfill = Q(~Exists(going_on), backfill__isnull=False)
    unended = Job.objects.filter(pk=OuterRef("job_key")).exclude(state__in=ENDED)
    found = Fire.objects.filter(of_schedule | of_backfill, pk__in=keys)
    return found.exclude(Exists(unended)).order_by()
