"""Pickled jobs of stock clients.

Loading one runs whatever its client wrote into it: `load_call` is for worker children,
on queues that TASKYARD_PICKLE_QUEUES names. The rest loads nothing.
"""

from __future__ import annotations

import base64
import pickle
import pickletools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tasks import stored_words
from tasks.broker.wire import PayloadUnreadable, ResultUnusable, check_result_size

#: Opcodes before a call's first text: protocol, frame, and some room.
_OPCODES_READ = 5


class PickledCall(NamedTuple):
    """What RQ pickles: a function by its path, or a method of an object by its name."""

    path: str
    instance: Any
    args: Sequence[Any]
    kwargs: Mapping[str, Any]


def peek_path(pickled: bytes) -> str:
    """Return the name that a call begins with, read without loading anything."""
    try:
        opcodes = pickletools.genops(pickled)
        for (_opcode, argument, _position), _count in zip(
            opcodes, range(_OPCODES_READ), strict=False
        ):
            if isinstance(argument, str):
                return argument
    except ValueError:
        return ""
    return ""


def load_call(pickled: bytes) -> PickledCall:
    """Unpickle a call. Raises PayloadUnreadable."""
    try:
        return PickledCall(*pickle.loads(pickled))  # noqa: S301 - see the module's text
    except Exception as error:  # unpickling runs any code, which raises anything
        raise PayloadUnreadable(
            stored_words.NO_CALL_PICKLE % {"error": f"{type(error).__name__}: {error}"}
        ) from error


def pack_value(value: object) -> str:
    """Return RQ's `return_value` field of a pickled job. Raises ResultUnusable."""
    try:
        pickled = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # so does pickling
        raise ResultUnusable(
            stored_words.NO_RESULT_PICKLE % {"error": error}
        ) from error
    check_result_size(len(pickled))
    return base64.b64encode(pickled).decode()
