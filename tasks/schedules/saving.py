"""Writing a schedule that was changed: its row, what it is due next, and the audit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from django.db import IntegrityError, transaction

from tasks.errors import BrokerFull, BrokerUnavailable, ScheduleExists
from tasks.models import Audit, Schedule
from tasks.policy import Actor
from tasks.schedules.checks import RULE_FIELDS
from tasks.schedules.fields import FIELDS, GROUPS, values_of, with_groups
from tasks.schedules.fires import settle
from tasks.schedules.plans import PLANNED, plan
from tasks.schedules.writing import PLACES

#: Rows that one query writes, or names that it asks for.
AT_ONCE = 500

#: Characters that the audit keeps of what was changed.
_RESULT = 500

#: Fields upon which it depends when a schedule is due next.
_PLANNING = frozenset({*RULE_FIELDS, "enabled", "jitter", "most_fires"})

#: Columns that follow from a change.
_FOLLOWING = (
    *("disabled_at", "declared", "overrides", "gone_at"),
    *("version", "changed_at", "changed_by"),
)


def insert(schedule: Schedule, by: str, now: datetime) -> None:
    """Save a new schedule. Raises ScheduleExists."""
    prepare(schedule, by, now)
    insert_all([schedule])


def prepare(schedule: Schedule, by: str, now: datetime) -> None:
    """Set what follows from it that a schedule is new: it can then be inserted."""
    schedule.created_at = schedule.changed_at = schedule.cursor = now
    schedule.created_by = schedule.changed_by = by
    schedule.disabled_at = None if schedule.enabled else now
    plan(schedule, now)


def insert_all(schedules: Sequence[Schedule]) -> None:
    """Save new schedules that are prepared, all or none. Raises ScheduleExists."""
    try:
        with transaction.atomic():
            Schedule.objects.bulk_create(schedules, batch_size=AT_ONCE)
    except IntegrityError as error:
        names = [schedule.name for schedule in schedules]
        raise ScheduleExists(_taken(names) or names[0]) from error


def _taken(names: Sequence[str]) -> str:
    """Return the first of the names that a schedule has, "" where none has."""
    for some in batched(names):
        found = Schedule.objects.filter(name__in=some).order_by("name").first()
        if found is not None:
            return found.name
    return ""


def batched(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield names by as many as one query may have."""
    for start in range(0, len(names), AT_ONCE):
        yield names[start : start + AT_ONCE]


def changed_fields(before: Schedule, after: Schedule) -> list[str]:
    """Return the fields in which two rows differ, in order."""
    old, new = values_of(before), values_of(after)
    return [field for field in FIELDS if old[field] != new[field]]


def update(before: Schedule, after: Schedule, by: str, now: datetime) -> None:
    """Save a row that is locked, and what follows from the fields that are changed."""
    changed = changed_fields(before, after)
    if "enabled" in changed:
        after.disabled_at = None if after.enabled else now
    planned: tuple[str, ...] = ()
    if _PLANNING.intersection(changed):
        planned = PLANNED
        plan_anew(before, after, now)
    after.version = before.version + 1
    after.changed_at, after.changed_by = now, by
    after.save(update_fields=[*changed, *_FOLLOWING, *planned])


def plan_anew(before: Schedule, after: Schedule, now: datetime) -> None:
    """Decide what has come due by the old rule, then go by the new one from now on.

    Raises BrokerFull and BrokerUnavailable where that cannot be decided now; but one can
    always be disabled: its moments are then among those that pass meanwhile.
    """
    try:
        settle(before, now)
    except (BrokerFull, BrokerUnavailable):
        if after.enabled:
            raise
    for column in PLACES:
        setattr(after, column, getattr(before, column))
    plan(after, now)


def note_overrides(
    schedule: Schedule, changed: Iterable[str], by: str, now: datetime
) -> None:
    """Note on a declared schedule that a person's values stand before the code's."""
    if schedule.declared is None:
        return
    mark = {"by": by, "at": now.isoformat()}
    overrides = schedule.overrides | dict.fromkeys(with_groups(changed), mark)
    values, declared = values_of(schedule), schedule.declared
    for group in (*GROUPS, *((field,) for field in FIELDS)):
        is_part = len(group) == 1 and len(with_groups(group)) > 1
        if not is_part and all(values[one] == declared.get(one) for one in group):
            for one in group:  # as the code has it: nothing stands before that
                overrides.pop(one, None)
    schedule.overrides = overrides


def write_audit(actor: Actor, verb: str, *names: str, result: str = "") -> None:
    """Note who did what to schedules, or to calendars."""
    Audit.objects.bulk_create(
        [
            Audit(
                actor=actor.name,
                via=actor.via,
                verb=verb,
                target=name,
                result=result[:_RESULT],
            )
            for name in names
        ],
        batch_size=AT_ONCE,
    )
