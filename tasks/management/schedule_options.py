"""The fields of a schedule as options of a command, and the values that they name."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError, BooleanOptionalAction
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser
from django.db import models

from tasks.errors import InvalidOption
from tasks.management.pairs import read_pairs
from tasks.models import Schedule
from tasks.registry import registry
from tasks.schedules.choices import AFTER, CRON, EVERY, ONCE
from tasks.schedules.fields import FIELDS
from tasks.schedules.zones import place, zone_named
from tasks.text import gettext as _

#: Seconds of each unit that a length may be written in.
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

#: Fields that have options of their own, or verbs.
_APART = ("args", "kwargs", "enabled", "kind", "expression", "every", "at")

#: The options that say when, and the kind and field that each sets.
RULES = {
    "cron": (CRON, "expression"),
    "every": (EVERY, "every"),
    "after": (AFTER, "every"),
    "once": (ONCE, "at"),
}


def add_field_options(parser: CommandParser) -> None:
    """Add an option for each field; what is not given is left as it is."""
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--cron", metavar="EXPRESSION", help=_("such as “0 9 * * 1-5”"))
    when.add_argument("--every", type=read_length, metavar="90s|5m|1h|2d")
    when.add_argument(
        "--after",
        type=read_length,
        metavar="90s|5m|1h|2d",
        help=_("so long after the end of each run"),
    )
    when.add_argument("--once", metavar="MOMENT", help=_("such as 2026-01-31T09:00"))
    for field in FIELDS:
        if field not in _APART:
            _add_option(parser, field)
    parser.add_argument(
        "--arg",
        dest="pairs",
        action="append",
        metavar="KEY=VALUE",
        help=_("an argument of the task; those given stand for all"),
    )
    parser.add_argument(
        "--unset",
        action="append",
        default=[],
        metavar="FIELD",
        help=_("give a field its default"),
    )


def _add_option(parser: CommandParser, field: str) -> None:
    column: Any = Schedule._meta.get_field(field)
    option, words = f"--{field.replace('_', '-')}", str(column.verbose_name)
    if isinstance(column, models.BooleanField):
        parser.add_argument(option, action=BooleanOptionalAction, help=words)
    elif column.choices:
        names = [value for value, _label in column.choices]
        parser.add_argument(option, choices=names, help=words)
    else:
        kind, metavar = _kind_of(column)
        parser.add_argument(option, type=kind, metavar=metavar, help=words)


def _kind_of(column: Any) -> tuple[Any, str]:
    if isinstance(column, models.IntegerField):
        return int, "N"
    if isinstance(column, models.FloatField):
        return read_length, "90s|5m|1h"
    if isinstance(column, models.JSONField):
        return _words, "TAG[,TAG]"
    return str, "MOMENT" if isinstance(column, models.DateTimeField) else "TEXT"


def values_from(options: Mapping[str, Any], task: str = "") -> dict[str, Any]:
    """Return the fields that options name; `task` is the schedule's where none is given.

    Raises TaskNotRegistered and InvalidArguments for arguments that cannot be read.
    """
    values = {
        field: options[field]
        for field in FIELDS
        if field not in _APART and options[field] is not None
    }
    for option, (kind, field) in RULES.items():
        if options[option] is not None:
            values |= {"kind": kind, field: options[option]}
    if options["pairs"] is not None:
        found = registry.get(options["task"] or task)
        values |= {"args": [], "kwargs": read_pairs(found, options["pairs"])}
    return values | dict.fromkeys(_fields(options["unset"]))


def _fields(names: Sequence[str]) -> list[str]:
    return [name.replace("-", "_") for name in names]


def read_length(text: str) -> float:
    """Return seconds: 90, 1.5s, 15m, 1h or 2d."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text)
    if found is None:
        raise ArgumentTypeError(_("write a time like 30s, 15m, 1h or 2d"))
    return float(found[1]) * UNITS[found[2] or "s"]


def read_moment(option: str, text: str, zone: str) -> datetime:
    """Return a moment; one without zone is a time in `zone`. Raises InvalidOption."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        problem = _("write a moment like 2026-01-31T09:00+01:00")
        raise InvalidOption(option, problem) from error
    return moment if moment.tzinfo else place(moment, zone_named(zone))


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
