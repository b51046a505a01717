"""The form of a backfill: which moments of a schedule's past are run after all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from dashboard.form_input import mark_problems
from dashboard.forms import Choice, Field
from dashboard.schedule_fields import read_moment
from dashboard.zones import zone_or_utc
from tasks.errors import InvalidOption
from tasks.models import Backfill, Schedule
from tasks.models.backfill import Reprocess
from tasks.schedules.backfill import MOST_AT_ONCE, DryRun, dry_run
from tasks.schedules.zones import start_of_day

PREFIX = "fill-"

#: What the form begins with: so much of the past.
SPAN = timedelta(days=1)


@dataclass(frozen=True)
class BackfillForm:
    """The inputs as they are filled, and what a backfill by them would do."""

    fields: Sequence[Field]
    #: What `backfill.create` takes beside the schedule.
    values: Mapping[str, Any]
    problems: Sequence[str] = ()
    plan: DryRun | None = None

    @property
    def has_problems(self) -> bool:
        return bool(self.problems) or any(field.problem for field in self.fields)


def make_form(schedule: Schedule, now: datetime) -> BackfillForm:
    """Return the form of yesterday, by the schedule's own midnight."""
    zone = zone_or_utc(schedule.zone)
    until = start_of_day(now, zone)
    first, last = (_local(one, zone) for one in (until - SPAN, until))
    moments = _("In the schedule's time zone, %(zone)s.") % {"zone": zone.key}
    at_once = _("Jobs of it that may wait or run at the same time.")
    kinds = [
        Choice(one.value, one.value, capfirst(str(one.label))) for one in Reprocess
    ]
    limits = {"min": 1, "max": MOST_AT_ONCE, "step": 1}
    fields = [
        _field("first_at", "datetime", required=True, text=first, help=moments),
        _field("last_at", "datetime", required=True, text=last, help=moments),
        _field("reprocess", "select", text=Reprocess.NONE.value, choices=kinds),
        _field("at_once", "number", text="1", help=at_once, limits=limits),
        _field("newest_first", "checkbox", text="false"),
    ]
    return BackfillForm(fields, {})


def _field(name: str, kind: str, **facts: Any) -> Field:
    column: Any = Backfill._meta.get_field(name)
    return Field(name, kind, PREFIX, capfirst(str(column.verbose_name)), **facts)


def _local(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).replace(tzinfo=None).isoformat(timespec="minutes")


def fill(
    form: BackfillForm, schedule: Schedule, given: Mapping[str, str]
) -> BackfillForm:
    """Return the form as it was filled, with what it would do, or what is wrong."""
    zone = zone_or_utc(schedule.zone)
    read = [_read(field, given, zone) for field in form.fields]
    values = {field.name: value for field, value in read}
    filled = BackfillForm([field for field, _value in read], values)
    if filled.has_problems:
        return filled
    plan = {name: value for name, value in values.items() if name != "at_once"}
    try:
        return replace(filled, plan=dry_run(schedule, **plan))
    except InvalidOption as error:
        return with_problem(filled, error)


def with_problem(form: BackfillForm, error: InvalidOption) -> BackfillForm:
    marked, rest = mark_problems(form.fields, {error.option: error.problem})
    return replace(form, fields=marked, problems=rest)


def _read(field: Field, given: Mapping[str, str], zone: ZoneInfo) -> tuple[Field, Any]:
    if field.kind == "checkbox":
        is_on = field.input_name in given
        return replace(field, text="true" if is_on else "false"), is_on
    text = given.get(field.input_name, "").strip()
    field = replace(field, text=text)
    try:
        if field.kind == "datetime":
            return field, read_moment(text, zone)
        return field, int(text) if field.kind == "number" else text
    except (ValueError, OverflowError):
        is_moment = field.kind == "datetime"
        problem = _("must be a date and a time") if is_moment else _("must be a number")
        return replace(field, problem=problem), None
