"""Bringing the schedules here to what definitions say, all or none, after a dry run.

A definition maps fields of Schedule to values, `name` among them; what it leaves out
stays as it is in a schedule that exists. See `documents` for the YAML of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from tasks.errors import InvalidOption, TasksError
from tasks.models import Calendar, Schedule
from tasks.policy import Actor
from tasks.schedules import definitions
from tasks.schedules.checks import RULE_FIELDS, check, check_future, is_over
from tasks.schedules.clock import clock
from tasks.schedules.differences import Change, Diff, diff
from tasks.schedules.documents import dump
from tasks.schedules.fields import FIELDS
from tasks.schedules.gathering import Gathering
from tasks.schedules.limits import checked_name
from tasks.schedules.preview import draft
from tasks.schedules.reports import get_schedule
from tasks.text import gettext as _

Definition = Mapping[str, Any]

#: Schedules that one document may have.
MOST = 10_000


@dataclass(frozen=True)
class Refusal:
    """A definition that cannot be applied, by its name, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True)
class Proposal:
    """What definitions would change, before they do, and what is wrong with them."""

    diff: Diff
    refusals: tuple[Refusal, ...]


def export(names: Sequence[str] = ()) -> str:
    """Return a YAML document of the named schedules, or of all. ScheduleNotFound."""
    if names:
        return dump(definition_of(get_schedule(name)) for name in dict.fromkeys(names))
    schedules = Schedule.objects.select_related("calendar").order_by("name")
    return dump(definition_of(schedule) for schedule in schedules.iterator())


def definition_of(schedule: Schedule) -> dict[str, Any]:
    values = {field: getattr(schedule, field) for field in FIELDS}
    calendar = schedule.calendar.name if schedule.calendar else None
    return {"name": schedule.name, **values, "calendar": calendar}


def propose(wanted: Sequence[Definition], *, prune: bool = False) -> Proposal:
    """Return what `apply` would do; nothing is written. Raises InvalidOption."""
    if len(wanted) > MOST:
        problem = _("has more than %(most)s schedules")
        raise InvalidOption("document", problem % {"most": f"{MOST:,}"})
    rows = {row.name: row for row in Schedule.objects.select_related("calendar")}
    now = clock.now()
    refusals, settled, past = [], [], []
    for definition in _with_calendars(wanted):
        name = str(definition["name"])
        try:
            values = _settled(definition, rows.get(name), now)
        except TasksError as error:
            refusals.append(Refusal(name, str(error)))
        else:
            if values:
                settled.append(values)
            else:
                past.append(Change("past", name))
    found = diff(map(definition_of, rows.values()), settled, prune=prune)
    spared = {row.name for row in rows.values() if row.is_declared and not row.gone_at}
    spared |= {refusal.name for refusal in refusals}
    changes = (one for one in found.changes if not _is_spared(one, spared))
    return Proposal(Diff((*changes, *past)), tuple(refusals))


def apply(actor: Actor, wanted: Sequence[Definition], *, prune: bool = False) -> Diff:
    """Create, change and, with `prune`, delete schedules; all of it or nothing.

    What the code declares is never deleted. Raises PermissionMissing, and InvalidOption
    that names everything which cannot be applied.
    """
    actor.require("schedule.manage")
    proposal = propose(wanted, prune=prune)
    if proposal.refusals:
        raise InvalidOption("document", "\n".join(map(str, proposal.refusals)))
    by_name = {str(one["name"]): one for one in _with_calendars(wanted)}
    names = proposal.diff.names
    # Before the transaction: in SQLite nobody else can write during one.
    new = [
        definitions.prepared(actor, name, _values(by_name[name]))
        for name in names("create")
    ]
    with transaction.atomic():
        definitions.save_new(actor, new)
        for change in proposal.diff.changes:
            if change.verb == "change":
                _change(actor, change, by_name[change.name])
        definitions.delete_all(actor, names("delete"))
    return proposal.diff


def _with_calendars(wanted: Sequence[Definition]) -> list[Definition]:
    """Return the definitions with calendars for their names, read once for all of them.

    A name that is none stays: whoever saves it says what is wrong.
    """
    names = {name for one in wanted if isinstance(name := one.get("calendar"), str)}
    known = {one.name: one for one in Calendar.objects.all()} if names else {}
    return [
        {**one, "calendar": known.get(one["calendar"], one["calendar"])}
        if isinstance(one.get("calendar"), str)
        else one
        for one in wanted
    ]


def _change(actor: Actor, change: Change, definition: Definition) -> None:
    values = {name: definition[name] for name in change.fields}
    definitions.change(actor, change.name, values)


def _values(definition: Definition) -> dict[str, Any]:
    return {field: value for field, value in definition.items() if field != "name"}


def _settled(
    definition: Definition, row: Schedule | None, now: datetime
) -> dict[str, Any]:
    """Return a definition with its values as rows hold them; raises what a save would.

    Of a new one that is over nothing is left: an export has those, too.
    """
    values = _values(definition)
    problems = Gathering()
    drafted = draft(values, row, problems)
    with problems:
        drafted.name = checked_name(definition["name"])
    check(drafted, now, problems=problems)
    if row is None and is_over(drafted, now):
        return {}
    if row is None or _moments_differ(row, drafted):
        check_future(drafted, now)
    settled = definition_of(drafted)
    return {field: settled[field] for field in ("name", *values)}


def _moments_differ(before: Schedule, after: Schedule) -> bool:
    is_enabled = after.enabled and not before.enabled
    return is_enabled or any(
        getattr(before, field) != getattr(after, field) for field in RULE_FIELDS
    )


def _is_spared(change: Change, spared: Iterable[str]) -> bool:
    return change.verb == "delete" and change.name in spared
