"""Whether a schedule that code declares can work, as far as is known without a database."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tasks.errors import ConfigurationError, InvalidOption
from tasks.schedules.choices import MISFIRES, ON_DAY_OFF, OVERLAPS
from tasks.schedules.limits import (
    COUNTS,
    SECONDS,
    checked_count,
    checked_name,
    checked_seconds,
)
from tasks.schedules.rule_checks import checked_choice
from tasks.schedules.zones import zone_named
from tasks.strict_json import check_json
from tasks.text import gettext as _

if TYPE_CHECKING:
    from tasks.schedules.declared import Declared

_CHOICES = {"on_day_off": ON_DAY_OFF, "misfire": MISFIRES, "overlap": OVERLAPS}


def check_declared(one: Declared) -> None:
    """Raise InvalidOption, which names the field, for what cannot work."""
    checked_name(one.name)
    for field, choices in _CHOICES.items():
        checked_choice(field, getattr(one, field), choices)
    for fields, check in _CHECKS:
        for field in fields:
            if (value := getattr(one, field)) is not None:
                check(field, value)
    for field in ("args", "kwargs", "tags"):
        _check_json(field, getattr(one, field))
    rule = one.rule()
    # First: without it its times have no place, which is no fault of theirs.
    zone_named(rule.zone)
    rule.check()


def check_settings(maker: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise ConfigurationError for a setting that schedules do not have."""
    for name in sorted(set(given) - set(known)):
        nearest = difflib.get_close_matches(name, known, n=1)
        problem = _("%(maker)s() has no setting %(name)s; it has %(known)s")
        if nearest:
            problem = _(
                "%(maker)s() has no setting %(name)s; did you mean %(nearest)s?"
            )
        facts = {"known": ", ".join(known), "nearest": "".join(nearest)}
        raise ConfigurationError(problem % {"maker": maker, "name": name, **facts})


def _check_whole(field: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidOption(field, _("must be a whole number"))


def _check_number(field: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidOption(field, _("must be a whole number, 0 or more"))


def _check_flag(field: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise InvalidOption(field, _("must be true or false"))


def _check_text(field: str, value: Any) -> None:
    if not isinstance(value, str):
        raise InvalidOption(field, _("must be text"))


def _check_list(field: str, value: Any) -> None:
    if isinstance(value, str) or not isinstance(value, list | tuple):
        raise InvalidOption(field, _("must be a list"))


def _check_mapping(field: str, value: Any) -> None:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InvalidOption(field, _("must be a mapping of names"))


_CHECKS: tuple[tuple[Iterable[str], Callable[[str, Any], Any]], ...] = (
    (SECONDS, checked_seconds),
    (COUNTS, checked_count),
    (("timeout",), _check_whole),
    (("retries",), _check_number),
    (("at_front", "enabled"), _check_flag),
    (("queue", "calendar"), _check_text),
    (("args", "tags"), _check_list),
    (("kwargs",), _check_mapping),
)


def _check_json(field: str, value: Any) -> None:
    is_mapping = isinstance(value, Mapping)
    try:
        check_json(dict(value) if is_mapping else list(value))
    except (TypeError, ValueError) as error:
        raise InvalidOption(field, str(error)) from error
    except RecursionError as error:
        raise InvalidOption(field, _("it is nested too deeply")) from error
