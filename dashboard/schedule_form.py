"""The form of a schedule: new, of one that exists, or sent back with what is wrong."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from dashboard.form_input import mark_problems, read_form
from dashboard.forms import Field, make_fields
from dashboard.schedule_fields import (
    JOB,
    KINDS,
    MOMENTS,
    POLICIES,
    PREFIX,
    WHEN,
    make_settings,
    read_settings,
    settings_of,
)
from dashboard.schedule_merge import Conflict, merge, read_seen, write_seen
from dashboard.schedule_outlook import Outlook, outlook_of
from dashboard.task_view import arguments_of
from tasks.errors import (
    InvalidArguments,
    InvalidOption,
    PermissionMissing,
    ScheduleChanged,
    TasksError,
)
from tasks.models import Schedule
from tasks.policy import Actor
from tasks.registry import Task, registry
from tasks.schedules import definitions
from tasks.schedules.limits import checked_name
from tasks.schedules.reports import get_schedule


@dataclass(frozen=True)
class ScheduleForm:
    """All inputs of the form, and what is known of them."""

    #: The task, where this process knows it; without it the arguments cannot be shown.
    task: Task | None
    name: Field
    arguments: Sequence[Field]
    settings: Sequence[Field]
    #: What is wrong with the whole.
    problems: Sequence[str] = ()
    #: The schedule that is edited, and the version of it that was seen.
    schedule: Schedule | None = None
    version: str = ""
    #: What stood in the inputs of that version, as the form sends it along.
    seen: str = ""
    #: What somebody else changed since.
    conflict: Conflict | None = None
    outlook: Outlook | None = None

    @property
    def when(self) -> list[Field]:
        return [field for field in self.settings if field.name in WHEN]

    @property
    def policies(self) -> list[Field]:
        return [field for field in self.settings if field.name in POLICIES]

    @property
    def job(self) -> list[Field]:
        return [field for field in self.settings if field.name in JOB]

    @property
    def policies_open(self) -> bool:
        told = self.conflict is not None
        return told or any(field.problem for field in self.policies)

    @property
    def job_open(self) -> bool:
        """Whether an option was given or is wrong, so that it must not be folded."""
        told = self.conflict is not None
        return told or any(f.problem or f.text not in ("", "false") for f in self.job)

    @property
    def has_problems(self) -> bool:
        fields = [self.name, *self.arguments, *self.settings]
        told = bool(self.problems) or self.conflict is not None
        return told or any(field.problem for field in fields)


def make_new_form(task: Task, zone: ZoneInfo) -> ScheduleForm:
    """Return the form of a new schedule of a task, in the zone of whoever makes it."""
    return ScheduleForm(
        task=task,
        name=_name_field(task.name),
        arguments=make_fields(task),
        settings=make_settings({"zone": zone.key}),
    )


def make_edit_form(schedule: Schedule) -> ScheduleForm:
    task = registry.find(schedule.task)
    arguments = make_fields(task, arguments_of(task, schedule)) if task else []
    settings = make_settings(settings_of(schedule))
    return ScheduleForm(
        task=task,
        name=_name_field(schedule.name),
        arguments=arguments,
        settings=settings,
        schedule=schedule,
        version=str(schedule.version),
        seen=write_seen([*arguments, *settings]),
    )


def _name_field(text: str) -> Field:
    return Field(
        "name",
        "text",
        PREFIX,
        _("Name"),
        required=True,
        text=text,
        help=_("Letters, digits, blanks and . _ ~ -; it stands in the page's address."),
        limits={"maxlength": 200},
    )


def create_by(
    form: ScheduleForm, posted: Mapping[str, str], actor: Actor
) -> tuple[ScheduleForm, Schedule | None]:
    """Make what the form says; without a schedule the form says what is wrong.

    Raises PermissionMissing.
    """
    filled, values = fill(form, posted)
    form = _marked(filled, values)
    if form.has_problems:
        return form, None
    try:
        values |= _call(form.task, values["kwargs"])
        return form, definitions.create(actor, form.name.text, values)
    except PermissionMissing:
        raise
    except TasksError as error:
        return _refused(form, error), None


def _marked(form: ScheduleForm, values: Mapping[str, Any]) -> ScheduleForm:
    """Return the form with all that is wrong with its settings, and with its call."""
    settings = {name: values[name] for name in values if name not in ("args", "kwargs")}
    try:
        definitions.try_settings(settings, form.schedule)
    except InvalidOption as error:
        form = _refused(form, error)
    try:
        if "kwargs" in values:
            _call(form.task, values["kwargs"])
    except InvalidArguments as error:
        form = _refused(form, error)
    return form


def change_by(
    schedule: Schedule, posted: Mapping[str, str], actor: Actor
) -> tuple[ScheduleForm, Schedule | None]:
    """Change what differs in the form; without a schedule the form says what is wrong.

    Of one that somebody changed since the form was opened it says what, and knows it from
    then on. Raises PermissionMissing and ScheduleNotFound.
    """
    form = make_edit_form(schedule)
    filled, values = fill(form, posted)
    if filled.version.isdecimal() and filled.version != form.version:
        return _merged(schedule, form, filled), None
    changed = {name: values[name] for name in values if name in _changed(form, filled)}
    filled = _marked(filled, changed)
    if filled.has_problems:
        return filled, None
    version = int(filled.version) if filled.version.isdecimal() else None
    try:
        if "kwargs" in changed:
            changed |= _call(form.task, changed["kwargs"])
        return filled, definitions.change(
            actor, schedule.name, changed, version=version
        )
    except ScheduleChanged:  # just now: after it was read for this form
        return change_by(get_schedule(schedule.name), posted, actor)
    except PermissionMissing:
        raise
    except TasksError as error:
        return _refused(filled, error), None


def _merged(
    schedule: Schedule, form: ScheduleForm, filled: ScheduleForm
) -> ScheduleForm:
    """Return the form as it is by now, with what was typed, and what somebody changed."""
    seen = read_seen(filled.seen)
    arguments, first = merge(seen, filled.arguments, form.arguments)
    settings, last = merge(seen, filled.settings, form.settings)
    conflict = Conflict(schedule.changed_by, schedule.changed_at, [*first, *last])
    return replace(form, arguments=arguments, settings=settings, conflict=conflict)


def _call(task: Task | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as the task's types have them; raises InvalidArguments."""
    if task is None:
        return {}
    signature = task.signature
    args, kwargs = signature.split(signature.to_json(signature.bind((), given)))
    return {"args": args, "kwargs": kwargs}


def _changed(before: ScheduleForm, after: ScheduleForm) -> Collection[str]:
    """Return the settings that somebody changed, and those that changed with them."""
    pairs = zip(before.settings, after.settings, strict=True)
    changed = {new.name for old, new in pairs if new.text != old.text}
    if "zone" in changed:
        changed |= set(MOMENTS)
    if "kind" in changed:
        changed |= KINDS.keys()
    arguments = zip(before.arguments, after.arguments, strict=True)
    if any(new.text != old.text for old, new in arguments):
        changed |= {"args", "kwargs"}
    return changed


def fill(
    form: ScheduleForm, posted: Mapping[str, str]
) -> tuple[ScheduleForm, dict[str, Any]]:
    """Return the form as it was filled, with problems, and the values of a schedule."""
    arguments, given = read_form(
        form.arguments, dict(posted.items()) | _kept(form, posted)
    )
    settings, values = read_settings(form.settings, posted)
    name = form.name
    if form.schedule is None:
        name = _read_name(name, posted)
    filled = replace(
        form,
        name=name,
        arguments=arguments,
        settings=settings,
        version=posted.get("version", form.version),
        seen=posted.get("seen", form.seen),
    )
    return filled, values | {"task": _task_name(form), "args": [], "kwargs": given}


def _kept(form: ScheduleForm, posted: Mapping[str, str]) -> dict[str, str]:
    """Return the passwords that stay: they are not sent to browsers, nor back."""
    return {
        field.input_name: field.text
        for field in form.arguments
        if field.kind == "password" and not posted.get(field.input_name)
    }


def _read_name(field: Field, posted: Mapping[str, str]) -> Field:
    field = replace(field, text=posted.get(field.input_name, "").strip())
    try:
        checked_name(field.text)
    except InvalidOption as error:
        return replace(field, problem=error.problem)
    return field


def _task_name(form: ScheduleForm) -> str:
    if form.schedule is not None:
        return form.schedule.task
    return form.task.name if form.task else ""


def look_ahead(form: ScheduleForm, posted: Mapping[str, str]) -> ScheduleForm:
    """Return the form as it was filled, with what it would do beside it."""
    filled, values = fill(form, posted)
    outlook = outlook_of(filled.settings, values, filled.schedule)
    return replace(filled, outlook=outlook)


def _refused(form: ScheduleForm, error: TasksError) -> ScheduleForm:
    """Return the form with the reason beside the input that it concerns."""
    if isinstance(error, InvalidArguments):
        marked, rest = mark_problems(form.arguments, error.problems)
        return replace(form, arguments=marked, problems=[*form.problems, *rest])
    if not isinstance(error, InvalidOption):
        return replace(form, problems=[str(error)])
    marked, rest = mark_problems([form.name, *form.settings], error.by_field)
    name, *settings = marked
    return replace(form, name=name, settings=settings, problems=rest)
