"""The rule of a schedule: when it is due."""

from __future__ import annotations

import hashlib
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from tasks.schedules.beats import Beat, CronBeat, Interval, Single
from tasks.schedules.choices import CRON, EVERY, NEXT, ONCE, RUN, SKIP
from tasks.schedules.cron import Cron
from tasks.schedules.days_off import (
    EXCLUDED,
    Days,
    Everyday,
    Moment,
    Shifting,
    Skipping,
    working_day,
)
from tasks.schedules.rule_checks import check_kind, check_rule
from tasks.schedules.zones import END, TICK, place, zone_named

#: What an interval counts from that has no beginning of its own.
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """When a schedule is due; all moments are in UTC.

    `every` is seconds: between starts (EVERY) or from an end to the next start (AFTER).
    Moments lie from `starts_at` until `ends_at`, both included.
    """

    kind: str
    expression: str = ""
    every: float | None = None
    at: datetime | None = None
    zone: str = "UTC"
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    calendar: Days | None = None
    on_day_off: str = SKIP

    def check(self, *, now: datetime | None = None) -> None:
        """Raise InvalidOption, which names the field, for a rule that cannot work."""
        check_rule(self, now or datetime.now(UTC))

    def moments(
        self,
        after: datetime,
        *,
        before: datetime | None = None,
        due: bool | None = None,
    ) -> Iterator[Moment]:
        """Yield the moments strictly between two, in order, each `due_at` once.

        With `due`, those that are due, or those that a calendar excludes or moves. What
        is not wanted is jumped over, day by day. A rule of kind AFTER has none.
        """
        until = min(before - TICK if before else END, self.ends_at or END)
        moments = self._plan.moments(self._low(after), until, due=due)
        return (self._settled(one) for one in moments if self._reaches(one.nominal_at))

    def count(self, after: datetime, until: datetime, *, due: bool = True) -> int:
        """Return how many moments are due, or are not, after one and not after the other.

        Takes time by the days between them, not by the moments, unless the rule moves
        moments over days off; those are told one by one.
        """
        plan = self._plan
        if isinstance(plan, Shifting):
            return sum(1 for _one in self.moments(after, before=until + TICK, due=due))
        high = min(until, self.ends_at or until).astimezone(UTC)
        low = self._low(after)
        return plan.count(low, high, due=due) if low < high else 0

    def latest(
        self, after: datetime, until: datetime, most: int, *, due: bool = True
    ) -> list[Moment]:
        """Return the last `most` moments that `count` counts, in order."""
        low = max(after, until - self._span_of(after, until, most, due=due))
        return list(deque(self.moments(low, before=until + TICK, due=due), maxlen=most))

    def _span_of(
        self, after: datetime, until: datetime, most: int, *, due: bool
    ) -> timedelta:
        """Return how long before `until` the last `most` moments begin, or some more."""

        def number(span: timedelta) -> int:
            return self.count(until - span, until, due=due)

        short, span = timedelta(), timedelta(minutes=1)
        while until - span > after and number(span) < most:
            short, span = span, 4 * span
        while span - short > _SECOND and number(span) > 2 * most:
            middle = (short + span) / 2
            short, span = (middle, span) if number(middle) < most else (short, middle)
        return span

    def next_after_end(self, ended_at: datetime) -> Moment | None:
        """Return when a rule of kind AFTER is due, once its last run ended.

        On a day off it waits for the same time on the next working day.
        """
        check_kind(self)
        pause = timedelta(seconds=self.every or 0)
        due_at = max(ended_at + pause, self.starts_at or ended_at).astimezone(UTC)
        if self.calendar is not None and self.on_day_off == NEXT:
            due_at = self._on_working_day(due_at, self.calendar)
        return Moment(due_at, due_at) if self._reaches(due_at) else None

    @cached_property
    def tz(self) -> ZoneInfo:
        return zone_named(self.zone)

    @cached_property
    def _plan(self) -> Everyday | Skipping | Shifting:
        beat = self._beat
        if self.calendar is None or self.on_day_off == RUN:
            return Everyday(beat)
        if self.on_day_off != SKIP and isinstance(beat, CronBeat):
            step = _DAY if self.on_day_off == NEXT else -_DAY
            return Shifting(beat, self.calendar, self.tz, step)
        return Skipping(beat, self.calendar, self.tz)

    @cached_property
    def _beat(self) -> Beat:
        check_kind(self)  # an interval that runs backwards would never end
        if self.kind == CRON:
            return CronBeat(Cron.parse(self.expression), self.tz)
        if self.kind == EVERY and self.every is not None:
            anchor = (self.starts_at or _EPOCH).astimezone(UTC)
            return Interval(anchor, timedelta(seconds=self.every))
        if self.kind == ONCE and self.at is not None:
            return Single(self.at.astimezone(UTC))
        return Single(None)

    def _on_working_day(self, moment: datetime, days: Days) -> datetime:
        local = moment.astimezone(self.tz)
        day = working_day(days, local.date(), _DAY)
        if day is None or day == local.date():
            return moment
        return place(datetime.combine(day, local.time()), self.tz)

    def _low(self, after: datetime) -> datetime:
        low = after if self.starts_at is None else max(after, self.starts_at - TICK)
        return low.astimezone(UTC)

    def _reaches(self, moment: datetime) -> bool:
        has_begun = self.starts_at is None or moment >= self.starts_at
        return has_begun and (self.ends_at is None or moment <= self.ends_at)

    def _settled(self, moment: Moment) -> Moment:
        """Return the moment; it is not moved to where the rule does not reach."""
        if moment.moved_to is None or self._reaches(moment.moved_to):
            return moment
        return replace(moment, verdict=EXCLUDED, moved_to=None)


def stable_offset(schedule_id: uuid.UUID, jitter_seconds: float) -> timedelta:
    """Return a schedule's share of its jitter: whole milliseconds, always the same."""
    share = int.from_bytes(hashlib.sha256(schedule_id.bytes).digest()[:8])
    span = round(jitter_seconds * 1000)
    return timedelta(milliseconds=share % span if span > 0 else 0)
