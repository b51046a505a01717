"""The settings of a schedule as inputs: what stands in each, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from django.db.models import Field as Column
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from dashboard.forms import Choice, Field
from dashboard.zones import zone_or_utc
from tasks.models import Calendar, Schedule
from tasks.models.schedule import Kind
from tasks.schedules.zones import place

#: Settings are named apart from the arguments of the task.
PREFIX = "set-"

#: The settings by the part of the form in which they stand, in their order.
WHEN = (
    "kind",
    "expression",
    "every",
    "at",
    "zone",
    "starts_at",
    "ends_at",
    "most_fires",
    "jitter",
    "calendar",
    "on_day_off",
)
POLICIES = ("overlap", "misfire", "misfire_most", "misfire_age", "grace")
JOB = ("queue", "timeout", "retries", "tags", "at_front")

MOMENTS = ("at", "starts_at", "ends_at")
NUMBERS = ("every", "jitter", "misfire_age", "grace")
WHOLE = ("most_fires", "misfire_most", "timeout", "retries")

#: The kinds of schedule that have a use for a setting; the others do without.
KINDS = {
    "expression": {Kind.CRON},
    "every": {Kind.EVERY, Kind.AFTER},
    "at": {Kind.ONCE},
}

#: Calendars that a select offers.
MANY = 500

#: The name of the list of zones that `zone` completes from.
ZONES_LIST = "zones"


def settings_of(schedule: Schedule) -> dict[str, Any]:
    """Return what stands in the inputs for a schedule, by setting."""
    values = {name: getattr(schedule, name) for name in (*WHEN, *POLICIES, *JOB)}
    return values | {"calendar": schedule.calendar and schedule.calendar.name}


def make_settings(values: Mapping[str, Any]) -> list[Field]:
    """Return the inputs with `values` in them, else with what the model says."""
    zone = zone_or_utc(str(values.get("zone", "")))
    return [_make(name, values, zone) for name in (*WHEN, *POLICIES, *JOB)]


def _make(name: str, values: Mapping[str, Any], zone: ZoneInfo) -> Field:
    column = _column(name)
    value = values[name] if name in values else column.get_default()
    return Field(
        name=name,
        kind=_kind(name, column),
        prefix=PREFIX,
        label=capfirst(str(column.verbose_name)),
        nullable=name == "calendar",
        text=_write(value, zone),
        help=_help(name),
        choices=_choices(name, column),
        limits=_limits(name),
    )


def _column(name: str) -> Column[Any, Any]:
    return cast("Column[Any, Any]", Schedule._meta.get_field(name))


def _kind(name: str, column: Column[Any, Any]) -> str:
    if column.choices or name == "calendar":
        return "select"
    if name == "at_front":
        return "checkbox"
    if name in MOMENTS:
        return "datetime"
    return "number" if name in (*NUMBERS, *WHOLE) else "text"


def _choices(name: str, column: Column[Any, Any]) -> Sequence[Choice]:
    if name == "calendar":
        names = Calendar.objects.order_by("name").values_list("name", flat=True)
        return [Choice(one, one) for one in names[:MANY]]
    choices: Any = column.choices or ()
    return [Choice(text, text, capfirst(str(label))) for text, label in choices]


def _limits(name: str) -> dict[str, Any]:
    if name in NUMBERS:
        return {"min": 1 if name == "every" else 0, "step": "any"}
    if name in WHOLE:
        return {"min": {"timeout": -1, "retries": 0}.get(name, 1), "step": 1}
    return {"list": ZONES_LIST} if name == "zone" else {}


def _help(name: str) -> str:
    return {
        "expression": _(
            "Minute, hour, day of the month, month, weekday, such as 0 9 * * 1-5. The"
            " first of six fields is the second. @daily and the like work too."
        ),
        "every": _("Starts are counted from the beginning, else from full multiples."),
        "at": _("In the schedule's time zone."),
        "zone": _("Such as Europe/Berlin or Asia/Shanghai."),
        "starts_at": _("In the schedule's time zone; empty: from now on."),
        "ends_at": _("In the schedule's time zone; empty: without end."),
        "most_fires": _("Empty: without end."),
        "jitter": _(
            "Each schedule has a moment of its own within them; 0 is on the dot."
        ),
        "calendar": _("Without one no day is a day off."),
        "misfire_most": _("Where each of them is to run."),
        "misfire_age": _("Seconds; empty: however old."),
        "grace": _("A moment decided no later than that counts as kept."),
        "queue": _("Empty: the task's own."),
        "timeout": _("Empty: the task's own."),
        "retries": _("Empty: the task's own."),
        "tags": _("Separated by commas."),
    }.get(name, "")


def _write(value: Any, zone: ZoneInfo) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        local = value.astimezone(zone).replace(tzinfo=None)
        # As browsers write it back: the shortest form.
        return local.isoformat(timespec="seconds" if local.second else "minutes")
    if isinstance(value, float):
        return f"{value:f}".rstrip("0").rstrip(".")
    return ", ".join(value) if isinstance(value, list) else str(value)


def read_settings(
    fields: Sequence[Field], posted: Mapping[str, str]
) -> tuple[list[Field], dict[str, Any]]:
    """Return the inputs as they were filled, with problems, and the values in them.

    Moments are meant in the zone that is given beside them. What the kind of schedule
    has no use for is left empty.
    """
    zone = zone_or_utc(posted.get(f"{PREFIX}zone", "").strip())
    read = [_read(field, posted, zone) for field in fields]
    values = {field.name: value for field, value in read}
    for name, kinds in KINDS.items():
        if values["kind"] not in kinds:
            values[name] = "" if name == "expression" else None
    return [field for field, _value in read], values


def _read(field: Field, posted: Mapping[str, str], zone: ZoneInfo) -> tuple[Field, Any]:
    if field.kind == "checkbox":
        is_on = field.input_name in posted
        return replace(field, text="true" if is_on else "false"), is_on
    text = posted.get(field.input_name, "").strip()
    field = replace(field, text=text)
    if not text:
        return field, _empty(field.name)
    try:
        return field, _reader(field.name)(text, zone)
    except (ValueError, OverflowError):
        is_moment = field.name in MOMENTS
        problem = _("must be a date and a time") if is_moment else _("must be a number")
        return replace(field, problem=problem), _empty(field.name)


def _empty(name: str) -> Any:
    column = _column(name)
    return None if column.null else column.get_default()


def _reader(name: str) -> Callable[[str, ZoneInfo], Any]:
    if name in MOMENTS:
        return read_moment
    if name in NUMBERS:
        return lambda text, _zone: float(text)
    if name in WHOLE:
        return lambda text, _zone: int(text)
    if name == "tags":
        return lambda text, _zone: [
            tag.strip() for tag in text.split(",") if tag.strip()
        ]
    return lambda text, _zone: text


def read_moment(text: str, zone: ZoneInfo) -> datetime:
    """Return the moment that an input holds; raises ValueError and OverflowError."""
    moment = datetime.fromisoformat(text)
    return place(moment, zone) if moment.tzinfo is None else moment
