"""Folding the event stream into the ledger.

Several recorders read the stream at once, so a job's events may come in any order and
twice. No row is read before it is written: each statement decides, column by column,
whether what it brings is newer than what the row holds.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter, itemgetter

from django.db import transaction

from tasks.adoption import edges_of
from tasks.attempt_rows import ATTEMPTS, attempt_rows
from tasks.broker.events import Event
from tasks.job_rows import JOBS, SUBMITTED_JOBS, job_rows
from tasks.models import Dependency
from tasks.states import State

logger = logging.getLogger(__name__)

STATES = frozenset(State)

#: Events in one transaction. Recorders that meet at the same jobs wait for each other no
#: longer than one takes, and on SQLite nor do submitters.
PORTION = 1_000

_key = itemgetter(0)


def record(events: Sequence[Event]) -> None:
    """Fold events into the ledger, all of one job in one transaction."""
    sound = [event for event in events if _is_sound(event)]
    for portion in _portions(sound):
        _write(portion)


def _portions(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Give the events by job, in the order in which every recorder takes jobs."""
    by_job = attrgetter("id")
    portion: list[Event] = []
    for _job, told in groupby(sorted(events, key=by_job), by_job):
        portion += told
        if len(portion) >= PORTION:
            yield portion
            portion = []
    if portion:
        yield portion


def _write(events: Sequence[Event]) -> None:
    jobs, submitted = job_rows(events)
    attempts = attempt_rows(events)
    edges = edges_of(events)
    with transaction.atomic():
        # In the order of their keys, so that two recorders cannot block each other.
        SUBMITTED_JOBS.write(sorted(submitted, key=_key))
        JOBS.write(sorted(jobs, key=_key))
        ATTEMPTS.write(sorted(attempts, key=_key))
        Dependency.objects.bulk_create(edges, batch_size=1_000, ignore_conflicts=True)


def _is_sound(event: Event) -> bool:
    if event.id and event.state in STATES:
        return True
    logger.error("entry %s of the event stream is no event", event.entry.decode())
    return False
