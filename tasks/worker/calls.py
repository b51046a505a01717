"""From a claimed job to the function it calls, and from its end to an outcome."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import random
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.broker.attempts import Claimed
from tasks.broker.wire import (
    NO_TIMEOUT,
    PayloadUnreadable,
    encode_result,
    longest_delay,
    unpack_call,
)
from tasks.conf import get_config
from tasks.errors import FunctionNotRegistered, InvalidArguments
from tasks.registry import DEFAULT_TIMEOUT, Task, registry
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
        super().__init__(
            _("the task ran longer than its timeout of %(seconds)s s")
            % {"seconds": f"{seconds:g}"}
        )


class ProcessDied(Exception):
    """Recorded for a job whose child process ended without an answer."""


@dataclass(frozen=True)
class Plan:
    """What a job calls, with which arguments and for how long at most."""

    function: Callable[..., Any]
    path: str
    args: list[Any]
    kwargs: dict[str, Any]
    timeout: float | None
    task: Task | None = None

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)

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


def plan(job: Claimed) -> Plan:
    """Return what `job` calls.

    Raises PayloadUnreadable, FunctionNotRegistered (before anything is imported) and
    whatever the import of an admitted module raises.
    """
    path, args, kwargs = unpack_call(job.fields["data"])
    task = registry.find(job.text("task")) or registry.find(path)
    function = task.function if task else import_admitted(path)
    return Plan(function, path, args, kwargs, _timeout(job), task)


def is_known(job: Claimed) -> bool:
    """Say whether the job names a registered task, so that nothing need be imported."""
    return registry.find(job.text("task")) is not None


def import_admitted(path: str) -> Callable[..., Any]:
    """Return the function at a dotted path, if TASKYARD_RQ_MODULES admits its module."""
    module, _dot, name = path.rpartition(".")
    if not module or not get_config().serves(module):
        raise FunctionNotRegistered(path)
    function = getattr(importlib.import_module(module), name, None)
    if not callable(function):
        raise FunctionNotRegistered(path)
    return function  # type: ignore[no-any-return]


def _timeout(job: Claimed) -> float | None:
    seconds = job.number("timeout")
    if seconds is None:
        return DEFAULT_TIMEOUT
    return None if seconds == NO_TIMEOUT else seconds


def succeeded(value: object) -> Outcome:
    """Return the outcome of a call that returned, or of a result that cannot be kept."""
    try:
        return Outcome("finish", encode_result(value))
    except Exception as error:
        return failed(error)


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
    text = "Job stopped by user, work-horse terminated."
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


def retry_after(job: Claimed, outcome: Outcome) -> float | None:
    """Return the seconds to wait before the next try, None where there is none.

    Exponential back-off with full jitter (Brooker, "Exponential Backoff And Jitter",
    2015) for jobs that name a back-off; RQ's own list of intervals for the others.
    """
    left = int(job.number("retries_left") or 0)
    if outcome.verb != "fail" or outcome.permanent or left <= 0:
        return None
    backoff = job.number("backoff")
    if backoff is not None:
        return random.uniform(0, longest_delay(backoff, job.attempt))  # noqa: S311
    return _rq_interval(job, left)


def _rq_interval(job: Claimed, left: int) -> float:
    """RQ 2.12, `Job.get_retry_interval`: the first serves while more tries are left."""
    try:
        intervals = [
            float(seconds) for seconds in json.loads(job.fields["retry_intervals"])
        ]
    except (ValueError, TypeError):
        return 0.0
    return intervals[max(len(intervals) - left, 0)] if intervals else 0.0
