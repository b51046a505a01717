"""Which of the moments that passed run, run late, or are missed.

Moments are counted by the rule, which takes time by the days that passed, and only those
that a decision names are looked at: a schedule of each second that nobody decided for a
week costs some thousand moments, not 600,000.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from tasks.schedules.choices import ALL, ONCE, SKIP
from tasks.schedules.days_off import Moment
from tasks.schedules.rule import Rule
from tasks.schedules.zones import TICK

#: Decisions that run nothing, each for one moment; one more stands for all the rest.
MOST_LISTED = 1_000

#: Moments within the grace that one call decides; the next call goes on with the rest.
MOST_ON_TIME = 1_000

#: What becomes of a moment: it runs in time, late, not, or a calendar took it off.
ON_TIME, LATE, MISSED, EXCLUDED = "run", "late", "missed", "excluded"

#: Why one is missed: the policy says so, another runs for it, as many others run as may,
#: or it is too old. Why one is excluded: a day off, or one that moved it.
POLICY, STANDS_FOR, TOO_MANY, TOO_OLD = "policy", "stands_for", "too_many", "too_old"
DAY_OFF, MOVED = "day_off", "moved"


@dataclass(frozen=True)
class Policy:
    """What becomes of moments that were not decided in time."""

    #: SKIP: none of them runs. ONCE: the newest does. ALL: the newest `most` do.
    misfire: str = ONCE
    most: int = 100
    #: How old one may be to run late; None: any age.
    age: timedelta | None = None
    #: How late a decision may be for the moment to count as kept.
    grace: timedelta = timedelta(seconds=60)


@dataclass(frozen=True)
class Decision:
    """What becomes of a moment."""

    moment: Moment
    verdict: str
    reason: str = ""
    #: Moments that it stands for, of which `moment` is the last.
    count: int = 1


@dataclass(frozen=True)
class _Passed:
    """Those moments of a rule, due or not, after one and not after another."""

    rule: Rule
    after: datetime
    until: datetime

    def count(self, *, due: bool) -> int:
        return self.rule.count(self.after, self.until, due=due)

    def newest(self, most: int, *, due: bool) -> list[tuple[Moment, int]]:
        """Return at most so many, in order; the first stands for all before it."""
        listed = self.rule.latest(self.after, self.until, most, due=due)
        more = self.count(due=due) - len(listed)
        counts = [1 + more] + [1] * (len(listed) - 1)
        return list(zip(listed, counts, strict=False))


def decide(
    rule: Rule, after: datetime, now: datetime, policy: Policy
) -> list[Decision]:
    """Return what becomes of the moments after one that have passed, in order.

    `after` is the last moment that was decided, and that of the last decision is the next
    such one. With jitter `now` is the schedule's own: less its share. Decisions that run
    nothing name the newest 1,000 moments; older ones are counted by the first of them.
    """
    in_time = now - policy.grace - TICK
    kept = rule.moments(max(after, in_time), before=now + TICK, due=True)
    on_time = [Decision(moment, ON_TIME) for moment in islice(kept, MOST_ON_TIME)]
    is_cut = len(on_time) == MOST_ON_TIME
    until = on_time[-1].moment.due_at if is_cut else now
    overdue = _overdue(rule, after, in_time, now, policy) if in_time > after else []
    missed = sum(decision.verdict == MISSED for decision in overdue)
    excluded = _excluded(_Passed(rule, after, until), max(1, MOST_LISTED - missed))
    decisions = [*overdue, *excluded, *on_time]
    return sorted(decisions, key=lambda decision: decision.moment.due_at)


def _overdue(
    rule: Rule, after: datetime, until: datetime, now: datetime, policy: Policy
) -> list[Decision]:
    oldest = after if policy.age is None else max(after, now - policy.age - TICK)
    oldest = min(oldest, until)
    room = MOST_LISTED - (oldest > after)
    young = list(_young(_Passed(rule, oldest, until), policy, room))
    missed = sum(decision.verdict == MISSED for decision in young)
    reason = POLICY if policy.misfire == SKIP else TOO_OLD
    old = _Passed(rule, after, oldest).newest(max(1, MOST_LISTED - missed), due=True)
    return [*(Decision(one, MISSED, reason, count) for one, count in old), *young]


def _young(passed: _Passed, policy: Policy, room: int) -> Iterator[Decision]:
    """Yield the decisions on moments that are not too old to run late; at most `room`
    of them run nothing.
    """
    runs = {SKIP: 0, ONCE: 1, ALL: policy.most}[policy.misfire]
    reason = {SKIP: POLICY, ONCE: STANDS_FOR, ALL: TOO_MANY}[policy.misfire]
    newest = passed.newest(room + runs, due=True)
    first_run = len(newest) - runs
    for number, (moment, count) in enumerate(newest):
        if number < first_run:
            yield Decision(moment, MISSED, reason, count)
        else:
            yield Decision(moment, LATE)


def _excluded(passed: _Passed, most: int) -> Iterator[Decision]:
    for moment, count in passed.newest(most, due=False):
        reason = DAY_OFF if moment.moved_to is None else MOVED
        yield Decision(moment, EXCLUDED, reason, count)
