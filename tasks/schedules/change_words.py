"""What was changed of a schedule: as the audit keeps it, and in words for people."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tasks.models import Schedule
from tasks.schedules.fields import FIELDS, label_of, values_of
from tasks.text import name_problem

#: Characters that the audit keeps of one value.
_VALUE = 60

#: Fields whose values the audit does not repeat: they may be secrets.
_UNTOLD = ("args", "kwargs")

#: Where one field ends and the next begins.
_BETWEEN = re.compile(rf", (?=(?:{'|'.join(FIELDS)})(?:: |, |\Z))")


def tell_changes(before: Schedule, after: Schedule) -> str:
    """Return "expression: 0 9 * * * → 0 10 * * *, …" for the audit."""
    old, new = values_of(before), values_of(after)
    return ", ".join(
        _tell(field, old, new) for field in FIELDS if old[field] != new[field]
    )


def _tell(field: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    if field in _UNTOLD:
        return field
    return f"{field}: {_short(old[field])} → {_short(new[field])}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE else f"{text[: _VALUE - 1]}…"


def word_changes(told: str) -> Iterator[str]:
    """Yield each change that `tell_changes` told, with its field named for people.

    What tells no fields comes back as it is.
    """
    for change in _BETWEEN.split(told):
        field, _colon, values = change.partition(": ")
        if field not in FIELDS:
            yield change
        else:
            yield name_problem(label_of(field), values) if values else label_of(field)
