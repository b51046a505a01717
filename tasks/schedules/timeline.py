"""All that will run within a day or a week: lanes of schedules, bounded."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

from django.utils import timezone

from tasks.errors import InvalidOption
from tasks.models import Schedule
from tasks.models.schedule import Kind
from tasks.schedules.moments import jitter_of, rule_of, runs_left
from tasks.schedules.row_words import queue_of, word_rule
from tasks.schedules.rule import Rule
from tasks.schedules.zones import TICK

#: Schedules that have a lane, those that run first; and marks on a lane: where there are
#: more moments only the counts of its buckets are told.
LANES = 100
MARKS = 48

#: What is looked at: by the hour, or by quarters of days.
DAY, WEEK = timedelta(hours=24), timedelta(days=7)

_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Mark:
    """One run to come."""

    at: datetime
    #: Where it lies between begin and end: 0 to 100.
    place: float


@dataclass(frozen=True)
class Bucket:
    """A stretch of the time that is shown, and how many runs begin in it."""

    begin: datetime
    #: Where it begins and how wide it is, of 100.
    place: float
    width: float
    runs: int


@dataclass(frozen=True)
class Lane:
    """One schedule's runs."""

    schedule: Schedule
    words: str
    queue: str
    #: How many runs lie in the time that is shown.
    runs: int
    #: Each of them, where these are few; else ().
    marks: tuple[Mark, ...]
    #: The same runs counted, always all buckets of the timeline.
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True)
class Timeline:
    begin: datetime
    end: datetime
    #: First those that run first.
    lanes: tuple[Lane, ...]
    #: The runs of all lanes; `begin` of each is a tick of the axis.
    buckets: tuple[Bucket, ...]
    #: Schedules that run within the time and have no lane.
    more: int

    @property
    def most_runs(self) -> int:
        """The runs of the fullest bucket, at least 1: what heights are measured by."""
        return max((bucket.runs for bucket in self.buckets), default=0) or 1


@dataclass(frozen=True)
class _Axis:
    """The stretches of time that are shown, one after the other: where each begins, and
    where the last one ends.
    """

    edges: Sequence[datetime]

    @property
    def begin(self) -> datetime:
        return self.edges[0]

    @property
    def end(self) -> datetime:
        return self.edges[-1]

    def place(self, moment: datetime) -> float:
        return 100 * ((moment - self.begin) / (self.end - self.begin))

    def buckets(self, runs: Iterable[int]) -> tuple[Bucket, ...]:
        return tuple(
            Bucket(begin, self.place(begin), self.place(end) - self.place(begin), count)
            for (begin, end), count in zip(pairwise(self.edges), runs, strict=True)
        )

    def count(self, moments: Iterable[datetime]) -> list[int]:
        """Return how many moments lie in each stretch."""
        counts = [0] * (len(self.edges) - 1)
        for moment in moments:
            counts[bisect_right(self.edges, moment) - 1] += 1
        return counts


def read_timeline(now: datetime, span: timedelta = DAY) -> Timeline:
    """Return what runs from now on, in DAY or WEEK, in two queries.

    It begins with the hour, or the quarter of the day, in which `now` lies, in Django's
    current time zone.
    """
    axis = _axis(timezone.localtime(now), span)
    coming = Schedule.objects.filter(enabled=True, next_at__lt=axis.end)
    first = coming.select_related("calendar").order_by("next_at", "pk")[:LANES]
    found = (_lane(schedule, axis, now) for schedule in first)
    lanes = tuple(lane for lane in found if lane is not None)
    return Timeline(
        begin=axis.begin,
        end=axis.end,
        lanes=lanes,
        buckets=axis.buckets(_totals(lanes, axis)),
        more=max(0, coming.order_by().count() - LANES),
    )


def _axis(local: datetime, span: timedelta) -> _Axis:
    """Return the axis, one stretch longer than `span`, as the first has partly passed."""
    begin = local.replace(minute=0, second=0, microsecond=0)
    edges = _hours(begin) if span == DAY else _quarters(begin)
    return _Axis([edge.astimezone(UTC) for edge in edges])


def _hours(begin: datetime) -> Iterator[datetime]:
    return (begin.astimezone(UTC) + number * _HOUR for number in range(26))


def _quarters(begin: datetime) -> Iterator[datetime]:
    """Yield the beginnings of quarters of days by the clocks, whatever these are put to."""
    first = begin.replace(hour=begin.hour - begin.hour % 6)
    return (first + number * 6 * _HOUR for number in range(30))


def _totals(lanes: Iterable[Lane], axis: _Axis) -> list[int]:
    totals = [0] * (len(axis.edges) - 1)
    for lane in lanes:
        for number, bucket in enumerate(lane.buckets):
            totals[number] += bucket.runs
    return totals


def _lane(schedule: Schedule, axis: _Axis, now: datetime) -> Lane | None:
    try:
        marks, counts = _runs(schedule, axis, now)
    except InvalidOption:
        return None
    return Lane(
        schedule=schedule,
        words=word_rule(schedule),
        queue=queue_of(schedule),
        runs=sum(counts),
        marks=tuple(Mark(moment, axis.place(moment)) for moment in marks),
        buckets=axis.buckets(counts),
    )


def _runs(
    schedule: Schedule, axis: _Axis, now: datetime
) -> tuple[Sequence[datetime], list[int]]:
    """Return a schedule's runs one by one, where they are few, and by stretch."""
    if schedule.kind == Kind.AFTER:
        moments = [max(now, schedule.next_at or now)]
        return moments, axis.count(moments)
    jitter, rule, left = jitter_of(schedule), rule_of(schedule), runs_left(schedule)
    after = max(schedule.cursor, now - jitter)
    due = islice(rule.moments(after, before=axis.end - jitter, due=True), left)
    moments = [moment.due_at + jitter for moment in islice(due, MARKS + 1)]
    if len(moments) <= MARKS:
        return moments, axis.count(moments)
    return (), list(_capped(_count_runs(rule, axis, after, jitter), left))


def _count_runs(
    rule: Rule, axis: _Axis, after: datetime, jitter: timedelta
) -> Iterator[int]:
    for begin, end in pairwise(axis.edges):
        low, high = max(after, begin - jitter - TICK), end - jitter - TICK
        yield rule.count(low, high) if low < high else 0


def _capped(counts: Iterable[int], left: int | None) -> Iterator[int]:
    """Yield the counts until they are `left` in all; None: each of them."""
    for count in counts:
        shown = count if left is None else min(count, left)
        left = None if left is None else left - shown
        yield shown
