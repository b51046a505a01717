"""Schedules are made and changed here: the one door for pages, REST, the shell and code.

`values` map fields of Schedule to what they are to be: moments as datetimes or ISO 8601
text (without a zone: in the schedule's), durations in seconds, the calendar by its name;
None is a field's default. Errors that every function may raise: PermissionMissing;
InvalidOption, which names the field; InvalidArguments, which names each argument of the
task; PayloadTooLarge. Then nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from tasks.errors import InvalidOption, ScheduleChanged, ScheduleNotFound
from tasks.models import Job, Schedule
from tasks.policy import Actor
from tasks.registry import Call, registry
from tasks.schedules.change_words import tell_changes
from tasks.schedules.checks import RULE_FIELDS, check, check_future
from tasks.schedules.clock import clock
from tasks.schedules.fields import FIELDS, with_groups
from tasks.schedules.gathering import Gathering
from tasks.schedules.limits import checked_name
from tasks.schedules.preview import Preview as Preview
from tasks.schedules.preview import draft
from tasks.schedules.preview import preview as preview
from tasks.schedules.reports import get_schedule
from tasks.schedules.saving import (
    batched,
    changed_fields,
    insert_all,
    note_overrides,
    prepare,
    update,
    write_audit,
)
from tasks.schedules.unknown_tasks import is_declared_here
from tasks.submission import submit_call
from tasks.text import gettext as _


def create(actor: Actor, name: str, values: Mapping[str, Any]) -> Schedule:
    """Make a schedule; what `values` leave out is as the model says.

    Raises ScheduleExists.
    """
    schedule = prepared(actor, name, values)
    save_new(actor, [schedule])
    return schedule


def prepared(actor: Actor, name: str, values: Mapping[str, Any]) -> Schedule:
    """Return a new schedule that can be saved."""
    actor.require("schedule.manage")
    now = clock.now()
    problems = Gathering()
    schedule = draft(values, problems=problems)
    with problems:
        schedule.name = checked_name(name)
    check(schedule, now, problems=problems)
    check_future(schedule, now)
    prepare(schedule, actor.name, now)
    return schedule


def save_new(actor: Actor, schedules: Sequence[Schedule]) -> None:
    """Save schedules that are prepared, all or none. Raises ScheduleExists."""
    with transaction.atomic():
        insert_all(schedules)
        write_audit(actor, "schedule.create", *(one.name for one in schedules))


def change(
    actor: Actor, name: str, values: Mapping[str, Any], *, version: int | None = None
) -> Schedule:
    """Change what `values` name; of a declared one they stand before the code's.

    With the `version` that was seen, raises ScheduleChanged where there is a newer one.
    Raises ScheduleNotFound, and BrokerFull or BrokerUnavailable where a new rule must wait
    until what is due by the old one can be decided.
    """
    actor.require("schedule.manage")
    now = clock.now()
    with transaction.atomic():
        before = _lock(name)
        if version is not None and version != before.version:
            raise ScheduleChanged(name, before.changed_by)
        problems = Gathering()
        after = draft(values, before, problems)
        # Whatever is wrong with it, it can be disabled.
        if dict(values) != {"enabled": False}:
            _check_change(before, after, now, problems)
        changed = changed_fields(before, after)
        if changed:
            note_overrides(after, changed, actor.name, now)
            update(before, after, actor.name, now)
            write_audit(
                actor, _verb(after, changed), name, result=tell_changes(before, after)
            )
    return after


def try_settings(values: Mapping[str, Any], schedule: Schedule | None = None) -> None:
    """Raise InvalidOption as `create` would, or `change` of a schedule; save nothing.

    Only the arguments of the task are not looked at.
    """
    now = clock.now()
    problems = Gathering()
    drafted = draft(values, schedule, problems)
    if schedule is not None:
        _check_change(schedule, drafted, now, problems, with_call=False)
        return
    check(drafted, now, with_call=False, problems=problems)
    check_future(drafted, now)


def set_enabled(actor: Actor, name: str, enabled: bool) -> Schedule:  # noqa: FBT001
    """Enable or disable; one that stands so already stays as it is.

    One that could not work is not enabled. Raises ScheduleNotFound.
    """
    return change(actor, name, {"enabled": enabled})


def delete(actor: Actor, name: str) -> None:
    """Delete a schedule and its Fires; the jobs stay. Raises ScheduleNotFound.

    One that the code of this process declares would come back, so it can only be
    disabled.
    """
    actor.require("schedule.manage")
    with transaction.atomic():
        schedule = _lock(name)
        _refuse_declared(schedule)
        write_audit(actor, "schedule.delete", name)
        schedule.delete()


def delete_all(actor: Actor, names: Sequence[str]) -> None:
    """Delete schedules as `delete` does, those that there still are; all or none."""
    actor.require("schedule.manage")
    with transaction.atomic():
        for some in batched(names):
            found = Schedule.objects.select_for_update(of=("self",)).filter(
                name__in=some
            )
            for schedule in found:
                _refuse_declared(schedule)
            write_audit(actor, "schedule.delete", *(one.name for one in found))
            found.delete()


def _refuse_declared(schedule: Schedule) -> None:
    if is_declared_here(schedule):
        problem = _("the code declares it: remove it there, or disable it here")
        raise InvalidOption("name", problem)


def reset(actor: Actor, name: str, fields: Sequence[str] = ()) -> Schedule:
    """Take the code's values back for some fields, or for all that people changed.

    Raises ScheduleNotFound.
    """
    actor.require("schedule.manage")
    now = clock.now()
    with transaction.atomic():
        before = _lock(name)
        taken = _taken_back(before, fields)
        if not taken:
            return before
        declared = before.declared or {}
        problems = Gathering()
        values = {field: declared.get(field) for field in taken}
        after = draft(values, before, problems)
        after.overrides = {
            field: mark
            for field, mark in before.overrides.items()
            if field not in taken
        }
        _check_change(before, after, now, problems)
        update(before, after, actor.name, now)
        write_audit(actor, "schedule.reset", name, result=tell_changes(before, after))
    return after


def run_now(actor: Actor, name: str, args: Mapping[str, Any] | None = None) -> Job:
    """Submit a job of the schedule now, with other arguments by name where given.

    It is none of the schedule's moments: these come as they would have. Raises
    ScheduleNotFound and what `tasks.submit` raises.
    """
    actor.require("run_now")
    schedule = get_schedule(name)
    task = registry.get(schedule.task)
    call = Call(task, schedule.args, schedule.kwargs)
    with transaction.atomic():
        handle = submit_call(
            call if args is None else Call(task, (), args),
            actor=actor,
            queue=schedule.queue or None,
            timeout=schedule.timeout,
            retries=schedule.retries,
            tags=schedule.tags,
            at_front=schedule.at_front,
        )
        write_audit(actor, "schedule.run", name, result=handle.id)
    return Job.objects.get(pk=handle.id)


def _lock(name: str) -> Schedule:
    """Return the row, which stays as it is until the transaction ends."""
    found = get_schedule(name)
    locked = Schedule.objects.select_for_update(of=("self",)).filter(pk=found.pk)
    schedule = locked.select_related("calendar").first()
    if schedule is None:  # somebody deleted it just now
        raise ScheduleNotFound(name)
    return schedule


def _check_change(
    before: Schedule,
    after: Schedule,
    now: datetime,
    problems: Gathering,
    *,
    with_call: bool = True,
) -> None:
    check(after, now, with_call=with_call, problems=problems)
    changed = changed_fields(before, after)
    is_enabled = after.enabled and not before.enabled
    if is_enabled or set(RULE_FIELDS).intersection(changed):
        check_future(after, now)


def _verb(schedule: Schedule, changed: Sequence[str]) -> str:
    if changed != ["enabled"]:
        return "schedule.change"
    return "schedule.enable" if schedule.enabled else "schedule.disable"


def _taken_back(schedule: Schedule, fields: Sequence[str]) -> list[str]:
    """Return which fields are to be as the code has them."""
    if schedule.declared is None:
        raise InvalidOption(
            "name", _("no code declares it, so there is nothing to take")
        )
    for field in fields:
        if field not in FIELDS:
            problem = _("is not a field of a schedule; the fields are %(fields)s")
            raise InvalidOption(field, problem % {"fields": ", ".join(FIELDS)})
    wanted = with_groups(fields or FIELDS)
    # What is gone from the code cannot be enabled as the code says.
    kept = set() if schedule.gone_at is None else {"enabled"}
    return [field for field in wanted if field in schedule.overrides.keys() - kept]
