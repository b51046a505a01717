"""A call written for people: `(7015, amount=153)`, shortened."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.stored_words import word_unreadable
from tasks.text import gettext as _

#: Characters that one argument, and all of them together, may take.
VALUE_LIMIT = 40
CALL_LIMIT = 100


_DECODER = json.JSONDecoder()


def describe_call(
    args: Sequence[Any], kwargs: Mapping[str, Any], unreadable: str = ""
) -> str:
    """Return a call's arguments in brackets, at most CALL_LIMIT characters."""
    if unreadable:
        reason = word_unreadable(unreadable)
        return _("(cannot be read: %(reason)s)") % {"reason": reason}
    parts = [_value(value) for value in args]
    parts += [f"{name}={_value(value)}" for name, value in kwargs.items()]
    return f"({_cut(', '.join(parts), CALL_LIMIT)})"


def describe_stored(args: str, kwargs: str, limit: int, unreadable: str = "") -> str:
    """Return a call's arguments from JSON, of which `limit` characters were read."""
    if unreadable:
        return describe_call((), {}, unreadable)
    positional = _read_items(args) if len(args) >= limit else json.loads(args)
    named = _read_pairs(kwargs) if len(kwargs) >= limit else json.loads(kwargs)
    return describe_call(positional, named)


class _Rest:
    """Stands for what was not read."""

    def __repr__(self) -> str:
        return "…"


def _read_items(text: str) -> list[Any]:
    """Return the items of a JSON list whose text was cut, as far as they are whole."""
    items: list[Any] = []
    place = 1
    with contextlib.suppress(ValueError):
        while True:
            item, place = _DECODER.raw_decode(text, _skip(text, place))
            items.append(item)
    return [*items, _Rest()]


def _read_pairs(text: str) -> dict[str, Any]:
    """Return the pairs of a JSON object whose text was cut; the last has no value."""
    pairs: dict[str, Any] = {}
    name, place = "…", 1
    with contextlib.suppress(ValueError):
        while True:
            name, place = _DECODER.raw_decode(text, _skip(text, place))
            pairs[name], place = _DECODER.raw_decode(text, _skip(text, place))
            name = "…"
    return pairs | {name: _Rest()}


def _skip(text: str, place: int) -> int:
    """Return where the next value begins, behind blanks and one separator."""
    while place < len(text) and text[place] in " ,:\n":
        place += 1
    return place


def _value(value: Any) -> str:
    return _cut(repr(value), VALUE_LIMIT)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
