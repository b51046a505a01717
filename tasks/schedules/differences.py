"""What an imported document would change, before it does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from tasks.schedules.documents import plain_value, to_plain

Verb = Literal["create", "change", "same", "delete", "past"]

_SIGNS: dict[Verb, str] = {
    "create": "+",
    "change": "~",
    "same": "=",
    "delete": "-",
    "past": "·",
}

#: Characters of a value in a line.
_LONGEST_VALUE = 200


@dataclass(frozen=True)
class Change:
    """One schedule, with the old and the new value of each field that changes.

    One that is `past` would be new and has no moment to come: it is left out.
    """

    verb: Verb
    name: str
    fields: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        yield f"{_SIGNS[self.verb]} {self.name}"
        for name, (old, new) in self.fields.items():
            before = f"{_show(old)} → " if self.verb == "change" else ""
            yield f"    {name}: {before}{_show(new)}"


@dataclass(frozen=True)
class Diff:
    """All schedules of a document, and those that it does not name if they go."""

    changes: tuple[Change, ...]

    def __bool__(self) -> bool:
        """Say whether anything changes at all."""
        return any(change.verb not in ("same", "past") for change in self.changes)

    def count(self, verb: Verb) -> int:
        return len(self.names(verb))

    def names(self, verb: Verb) -> list[str]:
        return [change.name for change in self.changes if change.verb == verb]

    def lines(self) -> list[str]:
        """Return it for people: +, ~, =, - or · with the name, then the fields."""
        return [line for change in self.changes for line in change.lines()]


def diff(
    present: Iterable[Mapping[str, Any]],
    wanted: Iterable[Mapping[str, Any]],
    *,
    prune: bool = False,
) -> Diff:
    """Return what brings the schedules that are `present` to those `wanted`.

    Both are definitions by their fields; of the wanted ones only the fields they name
    count. What no document names is deleted with `prune`, else left alone.
    """
    known = {definition["name"]: definition for definition in present}
    changes = [_change(known.get(one["name"]), one) for one in wanted]
    if prune:
        gone = sorted(known.keys() - {change.name for change in changes})
        changes += [Change("delete", name) for name in gone]
    return Diff(tuple(changes))


def _change(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> Change:
    name = new["name"]
    wanted = to_plain(new)
    if old is None:
        del wanted["name"]
        fields = {key: (None, value) for key, value in wanted.items()}
        return Change("create", name, fields)
    fields = {
        key: (old.get(key), new[key])
        for key in wanted
        if _canonical(old.get(key)) != _canonical(new[key])
    }
    return Change("change" if fields else "same", name, fields)


def _canonical(value: Any) -> str:
    """Return equal text for equal values: times by their moment, 60.0 as 60."""
    if isinstance(value, datetime):
        value = value.astimezone(UTC)
    return json.dumps(plain_value(value), sort_keys=True)


def _show(value: Any) -> str:
    plain = plain_value(value)
    text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
