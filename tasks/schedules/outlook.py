"""What comes: the next moments of a schedule, and what else is due beside them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from django.db.models import Q

from tasks.errors import InvalidOption
from tasks.models import Schedule
from tasks.models.schedule import Kind, ScheduleQuerySet
from tasks.registry import registry
from tasks.schedules.days_off import DUE, Moment
from tasks.schedules.moments import jitter_of, rule_of, runs_left
from tasks.schedules.rule import Rule
from tasks.schedules.zones import TICK, dst_note
from tasks.text import join_sentences

#: Moments that are shown before a change is saved.
NEXT_SHOWN = 5

#: Schedules of a queue that are looked at for collisions, those that are due first.
SCHEDULES_READ = 200
#: Names of one collision that are shown.
NAMES_SHOWN = 10

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Upcoming:
    """A moment to come."""

    due_at: datetime
    #: When it is acted upon: the due moment and the schedule's share of the jitter.
    runs_at: datetime
    #: One of days_off.DUE, EXCLUDED and MOVED.
    verdict: str
    #: What the calendar and the clocks do to it, in sentences; "" for nothing.
    note: str
    zone: ZoneInfo

    @property
    def local(self) -> datetime:
        """The due moment in the schedule's zone."""
        return self.due_at.astimezone(self.zone)

    @property
    def is_due(self) -> bool:
        return self.verdict == DUE


@dataclass(frozen=True)
class Collision:
    """Other schedules whose jobs come to the same queue within the same minute."""

    minute: datetime
    #: All of them; readers are shown the first (`shorten`).
    names: tuple[str, ...]


@dataclass(frozen=True)
class Collisions:
    queue: str
    found: tuple[Collision, ...] = ()
    #: Whether the queue has more schedules than were looked at.
    partial: bool = False


def next_moments(
    rule: Rule,
    *,
    after: datetime,
    count: int = NEXT_SHOWN,
    jitter: timedelta = timedelta(),
) -> tuple[Upcoming, ...]:
    """Return the next moments that are due, and before the last of them up to as many
    that a calendar takes off.
    """
    due = list(islice(rule.moments(after, due=True), count))
    off: Iterator[Moment] = iter(())
    if due:
        off = islice(rule.moments(after, before=due[-1].due_at, due=False), count)
    found = sorted([*due, *off], key=lambda moment: moment.due_at)
    return tuple(_upcoming(moment, rule.tz, jitter) for moment in found)


def _upcoming(moment: Moment, zone: ZoneInfo, jitter: timedelta) -> Upcoming:
    return Upcoming(
        due_at=moment.due_at,
        runs_at=moment.due_at + jitter,
        verdict=moment.verdict,
        note=join_sentences(moment.note(zone), dst_note(moment.due_at, zone)),
        zone=zone,
    )


def read_upcoming(
    schedule: Schedule, now: datetime, count: int = NEXT_SHOWN
) -> tuple[Upcoming, ...]:
    """Return what comes of a schedule; nothing of one that is disabled or over."""
    if not schedule.enabled or schedule.next_due_at is None:
        return ()
    try:
        return _read_upcoming(schedule, schedule.next_due_at, now, count)
    except InvalidOption:  # the page says what is wrong with its rule
        return ()


def _read_upcoming(
    schedule: Schedule, next_due_at: datetime, now: datetime, count: int
) -> tuple[Upcoming, ...]:
    rule, jitter = rule_of(schedule), jitter_of(schedule)
    if schedule.kind == Kind.AFTER:
        return (_upcoming(Moment(next_due_at, next_due_at), rule.tz, jitter),)
    left = runs_left(schedule)
    count = count if left is None else min(count, left)
    after = max(schedule.cursor, now - jitter)
    return next_moments(rule, after=after, count=count, jitter=jitter)


def find_collisions(
    queue: str, moments: Iterable[datetime], *, besides: uuid.UUID | None = None
) -> Collisions:
    """Return which other schedules send a job to `queue` in the minutes of `moments`.

    `moments` are those at which jobs come (`Upcoming.runs_at`); one query.
    """
    minutes = sorted({moment.replace(second=0, microsecond=0) for moment in moments})
    if not minutes:
        return Collisions(queue)
    # What comes next after the last minute cannot be within any of them.
    others = on_queue(queue).filter(enabled=True, next_at__lt=minutes[-1] + _MINUTE)
    if besides is not None:
        others = others.exclude(pk=besides)
    read = list(
        others.select_related("calendar").order_by("next_at", "pk")[
            : SCHEDULES_READ + 1
        ]
    )
    found = (_collision(minute, read[:SCHEDULES_READ]) for minute in minutes)
    return Collisions(
        queue=queue,
        found=tuple(one for one in found if one.names),
        partial=len(read) > SCHEDULES_READ,
    )


def on_queue(queue: str) -> ScheduleQuerySet:
    """Return the schedules whose jobs go to a queue, by their own word or their task's."""
    tasks = [task.name for task in registry if task.queue == queue]
    return Schedule.objects.filter(Q(queue=queue) | Q(queue="", task__in=tasks))


def _collision(minute: datetime, others: Iterable[Schedule]) -> Collision:
    names = sorted(other.name for other in others if _runs_in(other, minute))
    return Collision(minute, tuple(names))


def shorten(names: Sequence[str]) -> tuple[list[str], int]:
    """Return the names of a collision that are shown, and how many more there are."""
    return list(names[:NAMES_SHOWN]), max(0, len(names) - NAMES_SHOWN)


def _runs_in(schedule: Schedule, minute: datetime) -> bool:
    end = minute + _MINUTE
    if schedule.kind == Kind.AFTER:
        return schedule.next_at is not None and minute <= schedule.next_at < end
    jitter = jitter_of(schedule)
    try:
        return rule_of(schedule).count(minute - jitter - TICK, end - jitter - TICK) > 0
    except InvalidOption:
        return False
