"""What a person typed into the form of a schedule that somebody else changed meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from dashboard.forms import Field
from dashboard.schedule_fields import PREFIX
from tasks.schedules.fields import GROUPS


@dataclass(frozen=True)
class Difference:
    """An input that somebody else changed, with what stands in it on either side."""

    field: Field
    theirs: str
    #: None where theirs was taken over: whoever sends the form had not touched it.
    mine: str | None


@dataclass(frozen=True)
class Conflict:
    """Who changed a schedule meanwhile, and in what."""

    by: str
    at: datetime
    differences: Sequence[Difference]


def write_seen(fields: Iterable[Field]) -> str:
    """Return what stands in the inputs, for the form to send along; no passwords."""
    return json.dumps({f.input_name: f.text for f in fields if f.kind != "password"})


def read_seen(text: str) -> Mapping[str, str]:
    """Return what stood in the inputs when the form was opened; nothing if unknown."""
    try:
        seen = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return seen if isinstance(seen, dict) else {}


def merge(
    seen: Mapping[str, str], mine: Sequence[Field], theirs: Sequence[Field]
) -> tuple[list[Field], list[Difference]]:
    """Return the inputs with what was typed, else as they are by now; and what differs.

    Of settings that mean something together only, all stay or none. What was seen and
    is not known counts as typed.
    """
    touched = _touched(seen, mine)
    merged, differences = [], []
    for own, other in zip(mine, theirs, strict=True):
        is_mine = own.input_name in touched
        merged.append(own if is_mine else other)
        if other.kind != "password" and _differs(seen, own, other):
            text = _shown(own) if is_mine else None
            differences.append(Difference(other, _shown(other), text))
    return merged, differences


def _touched(seen: Mapping[str, str], fields: Sequence[Field]) -> set[str]:
    touched = {f.input_name for f in fields if f.text != seen.get(f.input_name)}
    for group in GROUPS:
        together = {PREFIX + name for name in group}
        if touched & together:
            touched |= together
    return touched


def _differs(seen: Mapping[str, str], own: Field, other: Field) -> bool:
    """Whether somebody else changed it to what does not stand in the form."""
    return other.text not in (own.text, seen.get(own.input_name))


def _shown(field: Field) -> str:
    """Return what stands in an input as people read it there."""
    labels = {choice.text: choice.label for choice in field.choices}
    return labels.get(field.text) or field.text
