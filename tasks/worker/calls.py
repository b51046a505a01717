"""From a claimed job to the function it calls, and from its end to an outcome."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tasks import stored_words
from tasks.broker.attempts import Claimed
from tasks.broker.pickled import PickledCall, load_call, pack_value, peek_path
from tasks.broker.wire import (
    NO_TIMEOUT,
    PayloadPickled,
    PayloadUnreadable,
    ResultUnusable,
    encode_result,
    unpack_call,
)
from tasks.conf import get_config
from tasks.errors import FunctionNotRegistered, InvalidArguments
from tasks.registry import DEFAULT_TIMEOUT, Task, registry
from tasks.sizes import show_size
from tasks.text import gettext as _

#: Characters of a traceback that are kept; the middle of a longer one is left out.
TRACEBACK_LIMIT = 32_768

#: Characters of an error's message that are kept.
MESSAGE_LIMIT = 2_000

#: Frames of our own say nothing to the reader of a traceback.
_OWN_FOLDER = f"{Path(__file__).parent}{os.sep}"

#: Errors that would come again with every further attempt.
PERMANENT = (FunctionNotRegistered, InvalidArguments, PayloadUnreadable)


class JobTimedOut(Exception):
    """Raised in a task that ran longer than its timeout."""

    def __init__(self, seconds: float) -> None:
        super().__init__(stored_words.TIMED_OUT % {"seconds": f"{seconds:g}"})


class MemoryExceeded(Exception):
    """Recorded for a job that held more memory than it may, with what it started."""

    def __init__(self, held: int, limit: int) -> None:
        super().__init__(
            stored_words.MEMORY_EXCEEDED
            % {"held": show_size(held), "limit": show_size(limit)}
        )


class OutputExceeded(Exception):
    """Recorded for a job that wrote more than it may."""

    def __init__(self, limit: int) -> None:
        super().__init__(stored_words.OUTPUT_EXCEEDED % {"limit": show_size(limit)})


class ImportNeeded(Exception):
    """Raised where a job's module would have to be imported first, and must not be."""


class ProcessDied(Exception):
    """Recorded for a job whose child process ended without an answer."""


_is_coroutine_function = lru_cache(4_096)(inspect.iscoroutinefunction)


@dataclass(frozen=True)
class Plan:
    """What a job calls, with which arguments and for how long at most."""

    function: Callable[..., Any]
    path: str
    args: list[Any]
    kwargs: dict[str, Any]
    timeout: float | None
    task: Task | None = None
    #: The call, where only a child may load it; function and arguments say nothing then.
    pickled: bytes = b""

    @property
    def is_async(self) -> bool:
        return _is_coroutine_function(self.function)

    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments with the types of the signature, if it is a task."""
        if self.task is None:
            return self.args, self.kwargs
        return self.task.signature.coerce(self.args, self.kwargs)


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended."""

    verb: str
    result: str = ""
    error: str = ""
    message: str = ""
    traceback: str = ""
    permanent: bool = False
    #: RQ's `return_value`, where it is not the result as JSON.
    packed: str = ""
    #: Seconds until the next try that the task asked for itself.
    retry_after: float | None = None

    def brief(self) -> dict[str, Any]:
        """Return the fields that say something."""
        return {
            name: value
            for name, value in vars(self).items()
            if value not in ("", None) and value is not False
        }


def plan(job: Claimed, *, may_import: bool = True) -> Plan:
    """Return what `job` calls.

    Raises PayloadUnreadable, FunctionNotRegistered (before anything is imported),
    ImportNeeded where `may_import` forbids what it takes, and whatever the import of an
    admitted module raises.
    """
    try:
        path, args, kwargs = unpack_call(job.raw("data"))
    except PayloadPickled as error:
        if not get_config().unpickles(job.queue):
            raise
        return _plan_pickled(job, error.pickled)
    task = registry.find(job.task) or registry.find(path)
    function = task.function if task else _import(job, path, may_import=may_import)
    return Plan(function, path, args, kwargs, _timeout(job), task)


def _import(job: Claimed, path: str, *, may_import: bool) -> Callable[..., Any]:
    """Return a function, or for a suspect, whose import may kill, what stands for it."""
    try:
        return import_admitted(path, may_import=may_import and not job.runs_solo)
    except ImportNeeded:
        if not job.runs_solo:
            raise
        return _load_in_child


def _plan_pickled(job: Claimed, pickled: bytes) -> Plan:
    path = peek_path(pickled)
    task = registry.find(path)
    return Plan(_load_in_child, path, [], {}, _timeout(job), task, pickled)


def _load_in_child() -> None:
    """Stand for what a job calls that only the child which runs it may load."""


def call_pickled(pickled: bytes) -> Any:
    """Load a pickled call, and make it where its function or class is admitted."""
    call = load_call(pickled)
    if call.instance is None:
        return call_path(call.path, call.args, call.kwargs)
    return _method(call)(*call.args, **call.kwargs)


def _method(call: PickledCall) -> Callable[..., Any]:
    kind = type(call.instance)
    if not get_config().serves(kind.__module__):
        raise FunctionNotRegistered(
            f"{kind.__module__}.{kind.__qualname__}.{call.path}"
        )
    return getattr(call.instance, call.path)  # type: ignore[no-any-return]


def call_path(
    path: str, args: Sequence[Any], kwargs: Mapping[str, Any], name: str = ""
) -> Any:
    """Call a task by its name or path, with its types, or an admitted function."""
    task = registry.find(name or path)
    if task is None:
        return import_admitted(path)(*args, **kwargs)
    args, kwargs = task.signature.coerce(list(args), dict(kwargs))
    return task.function(*args, **kwargs)


def import_admitted(path: str, *, may_import: bool = True) -> Callable[..., Any]:
    """Return the function at a dotted path, if TASKYARD_RQ_MODULES admits its module."""
    module, _dot, name = path.rpartition(".")
    if not module or not get_config().serves(module):
        raise FunctionNotRegistered(path)
    if not may_import and module not in sys.modules:
        raise ImportNeeded(module)
    function = getattr(importlib.import_module(module), name, None)
    if not callable(function):
        raise FunctionNotRegistered(path)
    return function  # type: ignore[no-any-return]


def _timeout(job: Claimed) -> float | None:
    seconds = job.number("timeout")
    if seconds is None:
        return DEFAULT_TIMEOUT
    return None if seconds == NO_TIMEOUT else seconds


def succeeded(value: object, *, pickled: bool = False) -> Outcome:
    """Return the outcome of a call that returned, or of a result that cannot be kept."""
    try:
        if pickled:
            return Outcome("finish", _shown(value), packed=pack_value(value))
        return Outcome("finish", encode_result(value))
    except Exception as error:
        return failed(error)


def _shown(value: object) -> str:
    """Return a pickled job's value as the ledger can keep it: as JSON, or not at all."""
    try:
        return encode_result(value)
    except ResultUnusable:
        return ""


def failed(error: BaseException) -> Outcome:
    """Return the outcome of a call that raised."""
    return Outcome(
        "fail",
        error=type(error).__name__,
        message=cut(_text(error), MESSAGE_LIMIT),
        traceback=cut(_format(error), TRACEBACK_LIMIT),
        permanent=isinstance(error, PERMANENT),
    )


def stopped() -> Outcome:
    """Return the outcome of a job that an operator stopped, in RQ's words."""
    text = stored_words.STOPPED
    return Outcome("stop", error="Stopped", message=text, traceback=text)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a task's own __str__ may do anything
        return ""


def _format(error: BaseException) -> str:
    described = traceback.TracebackException.from_exception(error)
    described.stack = traceback.StackSummary.from_list(
        [
            frame
            for frame in described.stack
            if not frame.filename.startswith(_OWN_FOLDER)
        ]
    )
    return "".join(described.format())


def cut(text: str, limit: int) -> str:
    """Return `text`, or its beginning and end with a word on what was left out."""
    if len(text) <= limit:
        return text
    half = limit // 2
    left_out = len(text) - 2 * half
    gap = _("… %(count)s characters left out …") % {"count": f"{left_out:,}"}
    return f"{text[:half]}\n{gap}\n{text[-half:]}"
