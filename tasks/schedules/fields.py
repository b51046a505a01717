"""The fields of a schedule that people and code may set: how each is read and written."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings

from tasks.errors import CalendarNotFound, InvalidOption
from tasks.models import Calendar, Schedule
from tasks.schedules.choices import KINDS, MISFIRES, ON_DAY_OFF, OVERLAPS
from tasks.schedules.gathering import Gathering
from tasks.schedules.limits import COUNTS, SECONDS, checked_count, checked_seconds
from tasks.schedules.rule_checks import checked_choice, checked_moment
from tasks.schedules.zones import place, zone_named
from tasks.strict_json import check_json, parse_json
from tasks.text import gettext as _

Reader = Callable[[str, Any], Any]

#: Fields that mean something together only: a change of one is a change of all.
GROUPS = (("kind", "expression", "every", "at"), ("args", "kwargs"))


def _column(field: str) -> Any:
    return Schedule._meta.get_field(field)


def _text(field: str, value: Any) -> str:
    text = _expression(field, value)
    longest = _column(field).max_length
    if longest is not None and len(text) > longest:
        problem = _("must be at most %(most)s characters")
        raise InvalidOption(field, problem % {"most": f"{longest:,}"})
    return text


def _expression(field: str, value: Any) -> str:
    """Return it as it was written; reading it says what is wrong, however long it is."""
    if not isinstance(value, str):
        raise InvalidOption(field, _("must be text"))
    try:
        check_json(value)
    except ValueError as error:
        raise InvalidOption(field, str(error)) from error
    return value.strip()


def _flag(field: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidOption(field, _("must be true or false"))
    return value


def _json(field: str, value: Any) -> Any:
    """Return a value as it comes back from the database: lists for tuples."""
    try:
        return parse_json(json.dumps(value))
    except (TypeError, ValueError) as error:
        raise InvalidOption(field, str(error)) from error
    except RecursionError as error:
        raise InvalidOption(field, _("it is nested too deeply")) from error


def _list(field: str, value: Any) -> list[Any]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InvalidOption(field, _("must be a list"))
    return list(_json(field, list(value)))


def _mapping(field: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InvalidOption(field, _("must be a mapping of names"))
    return dict(_json(field, dict(value)))


def _choice(choices: tuple[str, ...]) -> Reader:
    return lambda field, value: checked_choice(field, value, choices)


def _interval(field: str, value: Any) -> Any:
    """Return seconds; what they may be is the rule's to say."""
    return value.total_seconds() if isinstance(value, timedelta) else value


def _as_given(_field: str, value: Any) -> Any:
    """Leave it to the checks of a submission, which know the task."""
    return value


def _calendar(field: str, value: Any) -> Calendar | None:
    if isinstance(value, Calendar) or value == "":
        return value or None
    name = _text("name", value)
    found = Calendar.objects.filter(name=name).first()
    if found is None:
        raise InvalidOption(field, str(no_calendar(name)))
    return found


def no_calendar(name: str) -> CalendarNotFound:
    """Return the error for a calendar that is not there, with the nearest name."""
    known = Calendar.objects.order_by("name").values_list("name", flat=True)
    nearest = difflib.get_close_matches(name, known, n=1)
    return CalendarNotFound(name, nearest[0] if nearest else None)


def _moment(zone: str) -> Reader:
    def read(field: str, value: Any) -> datetime | None:
        if value == "":
            return None
        if isinstance(value, str):
            value = _parsed(field, value)
        if isinstance(value, datetime) and value.tzinfo is None:
            value = place(value, zone_named(zone))
        return checked_moment(field, value).astimezone(UTC)

    return read


def _parsed(field: str, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError as error:
        problem = _("must be a moment such as 2026-01-31T09:00+01:00")
        raise InvalidOption(field, problem) from error


_MOMENTS = ("at", "starts_at", "ends_at")

_READERS: dict[str, Reader] = {
    "task": _text,
    "args": _list,
    "kwargs": _mapping,
    "queue": _text,
    "timeout": _as_given,
    "retries": _as_given,
    "tags": _list,
    "at_front": _flag,
    "kind": _choice(KINDS),
    "expression": _expression,
    "every": _interval,
    "zone": _text,
    "calendar": _calendar,
    "on_day_off": _choice(ON_DAY_OFF),
    "misfire": _choice(MISFIRES),
    "overlap": _choice(OVERLAPS),
    "enabled": _flag,
    **dict.fromkeys(SECONDS, checked_seconds),
    **dict.fromkeys(COUNTS, checked_count),
}

#: All of them; their order is that in which people are shown them.
FIELDS = tuple(
    field.name
    for field in Schedule._meta.fields
    if field.name in _READERS or field.name in _MOMENTS
)


def read_values(
    values: Mapping[str, Any], zone: str, problems: Gathering
) -> dict[str, Any]:
    """Return the values as the columns hold them; None is the field's own default.

    Moments without a zone are times in the schedule's: that of `values`, else `zone`.
    Leaves out a field that is none, and a value of no use: `problems` gather these.
    """
    meant_in = default_zone()
    with problems:
        meant_in = _text("zone", values.get("zone", zone) or meant_in)
    readers = _READERS | dict.fromkeys(_MOMENTS, _moment(meant_in))
    read = {}
    for field, value in values.items():
        with problems:
            read[field] = _read(readers, field, value)
    return read


def _read(readers: Mapping[str, Reader], field: str, value: Any) -> Any:
    if field not in FIELDS:
        raise _no_field(str(field))
    return _default(field) if value is None else readers[field](field, value)


def label_of(field: str) -> str:
    """Return a field's name for people."""
    return str(_column(field).verbose_name)


def default_zone() -> str:
    """Return the zone of schedules that name none."""
    return str(settings.TIME_ZONE)


def _default(field: str) -> Any:
    if field == "zone":
        return default_zone()
    return _column(field).get_default()


def _no_field(name: str) -> InvalidOption:
    nearest = difflib.get_close_matches(name, FIELDS, n=1)
    problem = _("is not a field of a schedule; the fields are %(fields)s")
    if nearest:
        problem = _("is not a field of a schedule; did you mean %(nearest)s?")
    facts = {"fields": ", ".join(FIELDS), "nearest": "".join(nearest)}
    return InvalidOption(name, problem % facts)


def values_of(schedule: Schedule) -> dict[str, Any]:
    """Return every field as JSON has it: moments as ISO 8601, the calendar by its name,
    whole seconds without a fraction.
    """
    return {field: _written(getattr(schedule, field)) for field in FIELDS}


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value.name if isinstance(value, Calendar) else value


def with_groups(fields: Iterable[str]) -> list[str]:
    """Return the fields with those that they mean something with, in order."""
    given = set(fields)
    for group in GROUPS:
        if given.intersection(group):
            given.update(group)
    return [field for field in FIELDS if field in given]
