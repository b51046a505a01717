"""How fast moments that passed while no scheduler ran are made up for.

All schedulers share one row. It is changed in the transaction that writes the jobs, so
what is reserved is used, and what fails is given back.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tasks.models import Pace

#: Jobs that are to start in a second to catch up, over all schedules and schedulers. As
#: movers and workers take them in bunches, peaks are higher: no second has over 50.
JOBS_A_SECOND = 40

_GAP = timedelta(seconds=1) / JOBS_A_SECOND


def reserve(count: int, now: datetime) -> list[datetime]:
    """Return when so many jobs may start: not before `now`, evenly, in order.

    Needs a transaction: until its end other schedulers wait for their share.
    """
    if count == 0:
        return []
    row, _made = Pace.objects.select_for_update().get_or_create(
        pk=1, defaults={"free_at": now}
    )
    first = max(now, row.free_at)
    Pace.objects.filter(pk=1).update(free_at=first + count * _GAP)
    return [first + number * _GAP for number in range(count)]
