"""The fields of a schedule in a YAML document: their order, and what they may hold.

Whether a schedule of these values can work is for whoever creates it to say; here a
value is only of the right kind.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from tasks.schedules.choices import (
    AFTER,
    CRON,
    EVERY,
    KINDS,
    MISFIRES,
    ON_DAY_OFF,
    ONCE,
    OVERLAPS,
)
from tasks.strict_json import check_json
from tasks.text import gettext as _

Reader = Callable[[Any], Any]

LONGEST_NAME = 200


def read_name(value: Any) -> str:
    name = read_text(value)
    if not 0 < len(name.strip()) <= LONGEST_NAME:
        problem = _("must have 1 to %(most)s characters")
        raise ValueError(problem % {"most": LONGEST_NAME})
    return name


def read_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(_("must be text: put it in quotes"))
    if "\0" in value:
        raise ValueError(_("has a NUL character"))
    return value


def read_truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(_("must be true or false"))
    return value


def read_whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(_("must be a whole number"))
    return value


def read_seconds(value: Any) -> float:
    """Return whole seconds as an int, so that a document reads back as it was."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value < math.inf:
        raise ValueError(_("must be a number of seconds"))
    return int(value) if value == int(value) else float(value)


def read_time(value: Any) -> datetime:
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        time = None
    if time is None:
        raise ValueError(_("must be a time such as 2026-01-31T09:00:00+01:00"))
    if time.tzinfo is None:
        raise ValueError(_("must name its time zone, such as +01:00 or Z"))
    return time


def read_list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(_("must be a list"))
    _check_json(value)
    return value


def read_mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValueError(_("must be a mapping"))
    _check_json(value)
    return value


def _check_json(value: Any) -> None:
    try:
        check_json(value)
    except TypeError as error:  # a value with a tag such as !!timestamp
        raise ValueError(_("has a value that JSON does not have")) from error


def read_tags(value: Any) -> list[str]:
    return [read_text(tag) for tag in read_list(value)]


def one_of(choices: tuple[str, ...]) -> Reader:
    def read_choice(value: Any) -> str:
        if value not in choices:
            problem = _("must be one of %(expected)s")
            raise ValueError(problem % {"expected": ", ".join(choices)})
        return str(value)

    return read_choice


def optional(reader: Reader) -> Reader:
    return lambda value: None if value is None else reader(value)


#: In the order in which they are written.
FIELDS: dict[str, Reader] = {
    "name": read_name,
    "task": read_text,
    "args": read_list,
    "kwargs": read_mapping,
    "enabled": read_truth,
    "kind": one_of(KINDS),
    "expression": read_text,
    "every": optional(read_seconds),
    "at": optional(read_time),
    "zone": read_text,
    "starts_at": optional(read_time),
    "ends_at": optional(read_time),
    "most_fires": optional(read_whole),
    "jitter": read_seconds,
    "calendar": optional(read_text),
    "on_day_off": one_of(ON_DAY_OFF),
    "misfire": one_of(MISFIRES),
    "misfire_most": read_whole,
    "misfire_age": optional(read_seconds),
    "grace": read_seconds,
    "overlap": one_of(OVERLAPS),
    "queue": read_text,
    "at_front": read_truth,
    "retries": optional(read_whole),
    "timeout": optional(read_whole),
    "tags": read_tags,
}

#: What a schedule of each kind goes by; the others say nothing then.
RULE_FIELDS = {CRON: "expression", EVERY: "every", AFTER: "every", ONCE: "at"}


def says_nothing(name: str, definition: Mapping[str, Any]) -> bool:
    """Say whether a field belongs to a rule of another kind than the schedule has."""
    own = RULE_FIELDS.get(definition.get("kind", ""), name)
    return name in RULE_FIELDS.values() and name != own
