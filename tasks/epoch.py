"""Whether Redis lost data since it last agreed with the ledger, and whose turn it is to
compare the two."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from tasks.broker.epoch import Mark, make_epoch, read_mark
from tasks.models import Epoch

logger = logging.getLogger(__name__)

#: Time from the beginning of one comparison to the next, and where one found something.
EVERY = timedelta(seconds=60)
SOON = timedelta(seconds=10)

#: Those that hurry begin so much after each other, whatever the number of schedulers.
HURRY_EVERY = timedelta(seconds=5)

#: The comparison that ends a doubt begins so long after it arose: what the recorders had
#: read of the old data is then in the ledger.
SETTLED_AFTER = timedelta(seconds=10)


def has_lost(row: Epoch, mark: Mark) -> bool:
    """Say whether Redis has less than it had when it last agreed with the ledger."""
    return row.value != mark.epoch or mark.is_behind(row.entry)


def is_doubted(row: Epoch, mark: Mark) -> bool:
    """Say whether Redis may have less: it did lose data, or was started anew."""
    return has_lost(row, mark) or row.server != mark.server


def read_epoch() -> tuple[Epoch, Mark]:
    """Return what the ledger says of Redis, and what Redis says of itself.

    What is seen for the first time is written down. Raises BrokerUnavailable.
    """
    row, mark = Epoch.objects.filter(pk=1).first(), read_mark()
    if row is not None:
        _note(row, mark)
    if not mark.epoch:
        make_epoch()
        mark = read_mark()
    return row or _first_row(mark), mark


def _first_row(mark: Mark) -> Epoch:
    """Take Redis as it is now for what it should be."""
    facts = {"value": mark.epoch, "server": mark.server, "entry": mark.entry}
    return Epoch.objects.get_or_create(pk=1, defaults=facts)[0]


def _note(row: Epoch, mark: Mark) -> None:
    # By Redis' clock: schedulers whose own differ may note it, and end it.
    if row.doubted_at is None and is_doubted(row, mark):
        row.doubted_at = mark.at
        Epoch.objects.filter(pk=1).update(doubted_at=mark.at)
    if row.lost_at is None and has_lost(row, mark):
        row.lost_at = mark.at
        Epoch.objects.filter(pk=1).update(lost_at=mark.at)
        logger.error(
            "Redis lost data; it is refilled from the ledger",
            extra={"action": "redis_lost_data"},
        )


def take_turn(now: datetime, *, hurries: bool) -> bool:
    """Say whether this process is to compare now; then no other one is for a while.

    A turn that is further off than any may be was set by a clock that is wrong.
    """
    latest = now + EVERY - HURRY_EVERY if hurries else now
    is_due = Q(next_at__lte=latest) | Q(next_at__gt=now + 2 * EVERY)
    due = Epoch.objects.filter(is_due, pk=1)
    return bool(due.update(next_at=now + EVERY))


def note_end(mark: Mark, *, settled: bool, quiet: bool) -> None:
    """Write down that a comparison came to its end.

    `mark` is what Redis said when it began, `settled` that nothing was left unjudged,
    `quiet` that nothing was wrong.
    """
    now = timezone.now()
    ends_doubt = Q(doubted_at=None) | Q(doubted_at__lte=mark.at - SETTLED_AFTER)
    ended = settled and Epoch.objects.filter(ends_doubt, pk=1).update(
        value=mark.epoch,
        server=mark.server,
        entry=mark.entry,
        doubted_at=None,
        lost_at=None,
        compared_at=now,
    )
    if not (ended and quiet):
        Epoch.objects.filter(pk=1).update(compared_at=now, next_at=now + SOON)
