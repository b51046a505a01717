"""Calendars are added, replaced and deleted here: the one door for all who may."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.db import transaction

from tasks.errors import InvalidOption
from tasks.models import Calendar, Schedule
from tasks.policy import Actor
from tasks.schedules.calendars import Days, read_calendar
from tasks.schedules.clock import clock
from tasks.schedules.fields import no_calendar
from tasks.schedules.fires import settle
from tasks.schedules.limits import checked_name
from tasks.schedules.moments import rule_of
from tasks.schedules.plans import PLANNED, plan
from tasks.schedules.saving import write_audit
from tasks.schedules.sync import sync_declared
from tasks.strict_json import is_storable
from tasks.text import gettext as _

#: Names of schedules that an error tells.
_NAMES_TOLD = 3


def save_calendar(
    actor: Actor, name: str, data: bytes, *, today: date | None = None
) -> Calendar:
    """Add a calendar from an ICS or JSON file, or replace the one of that name.

    The schedules that keep to it go by the new days from now on. Raises
    PermissionMissing, and InvalidOption for a file that cannot be read and where a
    schedule could not work with it.
    """
    actor.require("schedule.manage")
    now = clock.now()
    days = read_calendar(data, checked_name(name), today or now.date())
    with transaction.atomic():
        calendar = _save(name, days, actor.name, now)
        write_audit(actor, "calendar.save", name, result=_count(days))
    _have_awaited(calendar)
    return calendar


def delete_calendar(actor: Actor, name: str) -> None:
    """Delete a calendar that no schedule keeps to.

    Raises PermissionMissing, CalendarNotFound and InvalidOption.
    """
    actor.require("schedule.manage")
    with transaction.atomic():
        calendar = _lock(name)
        if calendar is None:
            raise no_calendar(name)
        users = Schedule.objects.filter(calendar=calendar).order_by("name")
        _refuse_used(list(users.values_list("name", flat=True)))
        calendar.delete()
        write_audit(actor, "calendar.delete", name)


def _save(name: str, days: Days, by: str, now: datetime) -> Calendar:
    calendar = _lock(name)
    if calendar is None:
        return Calendar.objects.create(
            name=name,
            days=days.to_json(),
            created_at=now,
            changed_at=now,
            changed_by=by,
        )
    users = list(_users(calendar))
    for schedule in users:
        settle(schedule, now)
    calendar.days, calendar.changed_at, calendar.changed_by = days.to_json(), now, by
    calendar.save(update_fields=["days", "changed_at", "changed_by"])
    for schedule in users:
        _go_by(schedule, calendar, now)
    return calendar


def _users(calendar: Calendar) -> Any:
    rows = Schedule.objects.select_for_update(of=("self",)).filter(calendar=calendar)
    return rows.select_related("calendar").order_by("pk")


def _go_by(schedule: Schedule, calendar: Calendar, now: datetime) -> None:
    schedule.calendar = calendar
    if schedule.enabled:
        try:
            rule_of(schedule).check(now=now)
        except InvalidOption as error:
            text = _("schedule %(name)s could not keep to it: %(reason)s")
            facts = {"name": schedule.name, "reason": error.problem}
            raise InvalidOption("calendar", text % facts) from error
    plan(schedule, now)
    schedule.version += 1
    schedule.save(update_fields=[*PLANNED, "version"])


def _lock(name: str) -> Calendar | None:
    if not is_storable(name):
        raise no_calendar(name)
    return Calendar.objects.select_for_update().filter(name=name).first()


def _refuse_used(names: list[str]) -> None:
    if not names:
        return
    told = ", ".join(names[:_NAMES_TOLD]) + (", …" if names[_NAMES_TOLD:] else "")
    problem = _("schedules keep to it (%(names)s): give them another one first")
    raise InvalidOption("calendar", problem % {"names": told})


def _have_awaited(calendar: Calendar) -> None:
    """Have schedules keep to it that the code declared with it before it was there."""
    awaiting = Schedule.objects.filter(calendar=None, declared__calendar=calendar.name)
    if awaiting.exists():
        sync_declared()


def _count(days: Days) -> str:
    return f"{len(days.off):,} off, {len(days.work):,} work"
