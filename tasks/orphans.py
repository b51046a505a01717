"""Attempts whose end Redis lost before the ledger heard of it.

A job that was claimed and settled within the last moments before Redis lost data is in its
queue again, as if nobody had claimed it. It runs once more, and nothing is wrong with the
job; but nobody will ever tell how the first attempt ended.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime

from django.db.models import Max

from tasks.mending import LOST_DATA
from tasks.models import Attempt, Job
from tasks.states import ENDED, State
from tasks.stored_words import VANISHED

logger = logging.getLogger(__name__)

#: Rows of attempts, however many of them have ended, that one step goes through.
PAGE = 5_000


def close_orphans(now: datetime) -> Iterator[None]:
    """End what ended unheard; gives way after each page.

    An open attempt is one if its job has ended, or has begun another attempt since. Should
    its end be heard after all, that stands: see ATTEMPTS of attempt_rows.py.
    """
    after = ""
    while page := _page(after):
        last = page[-1]
        _close(after, last, now)
        after = last
        yield


def _page(after: str) -> Sequence[str]:
    ids = (
        Attempt.objects.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)
    )
    return list(ids[:PAGE])


def _close(after: str, last: str, now: datetime) -> None:
    rows = Attempt.objects.filter(pk__gt=after, pk__lte=last, ended_at=None)
    open_rows = list(rows.values_list("pk", "job_key", "started_at"))
    orphans = _orphans(open_rows) if open_rows else []
    if orphans:
        logger.warning("Redis lost how %s attempts ended", len(orphans))
        rows.filter(pk__in=orphans).update(
            state=State.LOST, ended_at=now, error=LOST_DATA, message=VANISHED
        )


def _orphans(open_rows: Sequence[tuple[str, str, datetime | None]]) -> list[str]:
    jobs = {job for _id, job, _began in open_rows}
    over = Job.objects.in_state(*ENDED).filter(pk__in=jobs)
    ended = set(over.values_list("pk", flat=True))
    attempts = (
        Attempt.objects.filter(job_key__in=jobs).order_by().values_list("job_key")
    )
    newest = dict(attempts.annotate(Max("started_at")))
    return [
        pk
        for pk, job, began in open_rows
        if job in ended or (began and newest[job] > began)
    ]
