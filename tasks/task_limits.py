"""The limits that a task may name, checked where it is registered."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from tasks.errors import ConfigurationError
from tasks.sizes import parse_size
from tasks.text import gettext as _


def check_fate(task: str, given: str, expected: Sequence[str]) -> None:
    """Raise ConfigurationError for what cannot become of a job whose worker died."""
    if given in expected:
        return
    text = _("Task %(name)s: on_worker_lost is %(given)s, and not one of %(expected)s.")
    facts = {"name": task, "expected": ", ".join(expected), "given": given}
    raise ConfigurationError(text % facts)


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
    """Return the bytes that an attempt may write. Raises ConfigurationError."""
    return None if size is None else _bytes(task, "output", size)


def checked_breaker(task: str, failures: int | None) -> int | None:
    """Return after how many failures a breaker opens. Raises ConfigurationError."""
    is_number = isinstance(failures, int) and not isinstance(failures, bool)
    if failures is None or (is_number and failures > 0):
        return failures
    text = _(
        "Task %(name)s: breaker is %(given)s, and not a number of failures in a row,"
        " 1 or more."
    )
    raise ConfigurationError(text % {"name": task, "given": repr(failures)})


def _bytes(task: str, option: str, size: int | str) -> int:
    try:
        return parse_size(size)
    except ValueError:
        text = _("Task %(name)s: %(option)s must be bytes, or text such as 512M.")
        raise ConfigurationError(text % {"name": task, "option": option}) from None
