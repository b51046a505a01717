"""What the page of one task shows, and the form that runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dashboard.form_input import mark_problems, read_form, read_options
from dashboard.forms import Field, make_fields, make_option_fields
from tasks.errors import (
    BrokerFull,
    IdempotencyConflict,
    InvalidArguments,
    InvalidOption,
    PayloadTooLarge,
)
from tasks.models import Job, Schedule
from tasks.policy import Actor
from tasks.registry import Task
from tasks.submission import Handle, submit


@dataclass(frozen=True)
class TaskForm:
    """The form of one task, empty, prefilled or sent back with what is wrong."""

    arguments: Sequence[Field]
    options: Sequence[Field]
    #: What is wrong with the whole.
    problems: Sequence[str] = ()
    #: The job whose arguments stand in the form.
    source: str = ""

    @property
    def options_open(self) -> bool:
        """Whether an option was given or is wrong, so that it must not be folded."""
        return any(f.problem or f.text not in ("", "false") for f in self.options)

    @property
    def has_problems(self) -> bool:
        fields = [*self.arguments, *self.options]
        return bool(self.problems) or any(field.problem for field in fields)


def make_form(task: Task, source: Job | None = None) -> TaskForm:
    """Return the form with the task's defaults, or with the arguments of `source`."""
    values = arguments_of(task, source) if source else None
    return TaskForm(
        make_fields(task, values),
        make_option_fields(task),
        source=source.id if source else "",
    )


def arguments_of(task: Task, source: Job | Schedule) -> Mapping[str, Any]:
    """Return the arguments that a job or a schedule has, by name."""
    try:
        bound = task.signature.bind(source.args, source.kwargs)
        return task.signature.to_json(bound)
    except InvalidArguments:
        # The signature has changed since: what still has a name is kept.
        return dict(source.kwargs)


def run_form(
    task: Task, posted: Mapping[str, str], actor: Actor
) -> tuple[TaskForm, Handle | None]:
    """Submit what the form says; without a handle the form says what is wrong.

    Raises PermissionMissing.
    """
    arguments, values = read_form(make_fields(task), posted)
    options, given = read_options(make_option_fields(task), posted)
    form = TaskForm(arguments, options, source=posted.get("source", "")[:255])
    if form.has_problems:
        return _with_other_problems(form, task, values), None
    try:
        return form, submit(task, values, actor=actor, **given)
    except InvalidArguments as error:
        marked, rest = mark_problems(arguments, error.problems)
        return replace(form, arguments=marked, problems=rest), None
    except InvalidOption as error:
        return _with_option_problem(form, error.option, error.problem), None
    except IdempotencyConflict as error:
        return _with_option_problem(form, "idempotency_key", str(error)), None
    except (PayloadTooLarge, BrokerFull) as error:
        return replace(form, problems=[str(error)]), None


def _with_other_problems(
    form: TaskForm, task: Task, values: Mapping[str, Any]
) -> TaskForm:
    """Say at once all that is wrong, not only what could not be read."""
    try:
        task.signature.bind((), values)
    except InvalidArguments as error:
        marked, rest = mark_problems(form.arguments, error.problems)
        return replace(form, arguments=marked, problems=rest)
    return form


def _with_option_problem(form: TaskForm, option: str, problem: str) -> TaskForm:
    marked, rest = mark_problems(form.options, {option: problem})
    return replace(form, options=marked, problems=rest)
