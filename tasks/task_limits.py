"""The limits that a task may name, checked where it is registered."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from tasks.errors import ConfigurationError
from tasks.sizes import parse_size, show_size
from tasks.text import gettext as _

#: Bytes of log that one attempt may write; the ledger keeps no more.
MOST_OUTPUT = 5 * 1024 * 1024


def checked_memory(
    task: str, function: Callable[..., Any], size: int | str | None
) -> int | None:
    """Return the bytes that a job may hold. Raises ConfigurationError."""
    if size is None:
        return None
    if inspect.iscoroutinefunction(function):
        text = _(
            "Task %(name)s: a coroutine shares its worker's memory, so it cannot have a"
            " limit of its own. Make it a plain function, or leave memory out."
        )
        raise ConfigurationError(text % {"name": task})
    return _bytes(task, "memory", size)


def checked_output(task: str, size: int | str | None) -> int | None:
    """Return the bytes that an attempt may log. Raises ConfigurationError."""
    if size is None:
        return None
    parsed = _bytes(task, "output", size)
    if parsed > MOST_OUTPUT:
        text = _("Task %(name)s: output can be %(most)s at most.")
        raise ConfigurationError(text % {"name": task, "most": show_size(MOST_OUTPUT)})
    return parsed


def _bytes(task: str, option: str, size: int | str) -> int:
    try:
        return parse_size(size)
    except ValueError:
        text = _("Task %(name)s: %(option)s must be bytes, or text such as 512M.")
        raise ConfigurationError(text % {"name": task, "option": option}) from None
