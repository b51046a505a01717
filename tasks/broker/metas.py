"""What a stock client wrote into a job's meta, read without loading anything."""

from __future__ import annotations

import json
import pickletools
from collections.abc import Iterable
from itertools import islice
from typing import Any

#: The keys by which rq-scheduler knows an entry that comes again and again.
REPEATING = frozenset({"interval", "cron_string"})

#: Opcodes of a pickle that are followed: some 50 ms.
MOST_OPCODES = 50_000

_TEXTS = (pickletools.pyunicode, pickletools.pybytes_or_str)

#: Opcodes that change what is below their arguments, which stays.
_CHANGES = {"SETITEM", "SETITEMS", "APPEND", "APPENDS", "ADDITEMS", "BUILD"}

_MARK = object()


def repeats(meta: bytes) -> bool:
    """Say whether it is that of an entry of rq-scheduler that comes again and again."""
    return not REPEATING.isdisjoint(_keys(meta))


def _keys(meta: bytes) -> set[str]:
    """Return the names in the mapping that it is, none where it is another thing."""
    try:
        if meta.lstrip()[:1] == b"{":
            return set(json.loads(meta))
        return _pickled_keys(meta)
    except Exception:  # garbage may end the reading anywhere and with anything
        return set()


def _pickled_keys(pickled: bytes) -> set[str]:
    follower = _Follower()
    for opcode, argument, _at in islice(pickletools.genops(pickled), MOST_OPCODES):
        if opcode.name == "STOP":
            return follower.keys_on_top()
        follower.follow(opcode, argument)
    return set()


class _Follower:
    """Follows a pickle's opcodes. Its values are texts, or sets of the keys they got."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def keys_on_top(self) -> set[str]:
        top = self._stack[-1]
        return top if isinstance(top, set) else set()

    def follow(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        name = opcode.name
        if name == "MARK":
            self._stack.append(_MARK)
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = self._stack[-1]
        elif name.endswith("PUT"):
            self._memo[argument] = self._stack[-1]
        elif name.endswith("GET"):
            self._stack.append(self._memo[argument])
        elif name == "DUP":
            self._stack.append(self._stack[-1])
        else:
            self._act(opcode, argument)

    def _act(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        is_change = opcode.name in _CHANGES
        taken = self._take(opcode.stack_before[is_change:])
        if opcode.name in ("SETITEM", "SETITEMS"):
            self._stack[-1].update(_texts(taken[::2]))
        elif opcode.name == "DICT":
            self._stack.append(set(_texts(taken[::2])))
        elif not is_change and opcode.stack_after:
            is_text = opcode.stack_after[0] in _TEXTS
            self._stack.append(argument if is_text else set())

    def _take(self, kinds: list[pickletools.StackObject]) -> list[Any]:
        count = len(kinds)
        if pickletools.markobject in kinds:
            count = self._stack[::-1].index(_MARK)
        first = len(self._stack) - count
        taken = self._stack[first:]
        del self._stack[first - (pickletools.markobject in kinds) :]
        return taken


def _texts(values: Iterable[Any]) -> Iterable[str]:
    return (value for value in values if isinstance(value, str))
