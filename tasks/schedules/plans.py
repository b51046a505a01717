"""When a schedule is due next: the columns of its row that schedulers go by.

`cursor` is the last moment that was decided, `next_due_at` the first after it that is
due. `next_at` adds the schedule's share of the jitter, and `look_at` is the same, or
earlier where a moment on a day off passes before: it gets its row, too.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tasks.models import Fire, Schedule
from tasks.models.schedule import Kind
from tasks.schedules.days_off import Moment
from tasks.schedules.moments import jitter_of, rule_of
from tasks.schedules.rule import Rule

#: The columns that `plan` sets.
PLANNED = ("cursor", "next_due_at", "next_at", "look_at", "awaits")

#: Moments on days off are noted no more often than that, those of a time together.
NOTE_DAYS_OFF_EVERY = timedelta(seconds=60)

#: How far a calendar is looked through for a moment that is due, as when it is saved.
LOOK_AHEAD = timedelta(days=3_653)


def plan(schedule: Schedule, now: datetime) -> None:
    """Set when a schedule is due next, after it was made or changed; it is not saved.

    Save PLANNED with what was changed. Moments until `now` are over: where there was a
    row before, have `fires.settle` decide them first, in the same transaction, before
    any field changes. Without that, some that came due within the last second would be
    lost. Raises InvalidOption for a rule that cannot work.
    """
    if not schedule.enabled:
        _set_next(schedule, None)
        return
    schedule.cursor = max(schedule.cursor, now - _lag_of(schedule))
    rule = rule_of(schedule)
    if schedule.kind == Kind.AFTER:
        plan_after_last_job(schedule, rule, now)
    else:
        plan_after_cursor(schedule, rule)


def _lag_of(schedule: Schedule) -> timedelta:
    """Return the share of the jitter that the last plan went by."""
    if schedule.next_at is None or schedule.next_due_at is None:
        return jitter_of(schedule)
    return schedule.next_at - schedule.next_due_at


def plan_after_cursor(schedule: Schedule, rule: Rule) -> None:
    """Set the next moment after the last one that was decided."""
    if schedule.is_spent:
        _set_next(schedule, None)
        return
    before = schedule.cursor + LOOK_AHEAD if schedule.calendar_id else None
    due = next(rule.moments(schedule.cursor, before=before, due=True), None)
    _set_next(schedule, due)
    if schedule.calendar_id:
        _look_at_day_off(schedule, rule, due)


def _look_at_day_off(schedule: Schedule, rule: Rule, due: Moment | None) -> None:
    before = due.due_at if due else schedule.cursor + LOOK_AHEAD
    off = next(rule.moments(schedule.cursor, before=before, due=False), None)
    if off is not None:
        noted_at = max(off.due_at, schedule.cursor + NOTE_DAYS_OFF_EVERY)
        look_at = noted_at + jitter_of(schedule)
        schedule.look_at = min(look_at, schedule.next_at or look_at)


def plan_after_last_job(schedule: Schedule, rule: Rule, now: datetime) -> None:
    """Set that the next moment counts from the end of the last job; without any, it is
    now.
    """
    newest = Fire.objects.newest_jobs_of(schedule).values_list("job_key", flat=True)
    last = newest.first()
    if last is None:
        plan_after_end(schedule, rule, now - timedelta(seconds=schedule.every or 0))
    else:
        await_end(schedule, last)


def plan_after_end(schedule: Schedule, rule: Rule, ended_at: datetime) -> None:
    """Set the moment that counts from the end of a run."""
    moment = None if schedule.is_spent else rule.next_after_end(ended_at)
    if moment is not None and moment.due_at <= schedule.cursor:  # it was disabled since
        moment = rule.next_after_end(schedule.cursor - _pause_of(schedule))
    _set_next(schedule, moment)


def _pause_of(schedule: Schedule) -> timedelta:
    # A moment that was decided is no moment any more: the next one lies behind it.
    return timedelta(seconds=schedule.every or 0) - timedelta(milliseconds=1)


def await_end(schedule: Schedule, job_id: str) -> None:
    """Set that the next moment is not known before a job has ended."""
    _set_next(schedule, None)
    schedule.awaits = "" if schedule.is_spent else job_id


def plan_a_look(schedule: Schedule, at: datetime) -> None:
    """Set that nobody knows when it is due, and when to try again."""
    _set_next(schedule, None)
    schedule.look_at = at


def _set_next(schedule: Schedule, moment: Moment | None) -> None:
    due_at = moment.due_at if moment else None
    schedule.next_due_at = due_at
    schedule.next_at = due_at + jitter_of(schedule) if due_at else None
    schedule.look_at = schedule.next_at
    schedule.awaits = ""
