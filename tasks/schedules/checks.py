"""Whether a schedule can work: asked before it is saved, and again by what shows it.

`check` is for people, who are told what is wrong and the way out; `problem_of` for rows
that were right once, whose task, calendar or zone changed beneath them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from tasks.broker.wire import pack_call
from tasks.errors import (
    InvalidArguments,
    InvalidOption,
    PayloadTooLarge,
    TaskNotRegistered,
)
from tasks.models import Schedule
from tasks.models.schedule import Kind
from tasks.options import Options
from tasks.registry import Task, registry
from tasks.schedules.cron import Cron
from tasks.schedules.fields import no_calendar, read_values
from tasks.schedules.gathering import Gathering
from tasks.schedules.moments import rule_of
from tasks.schedules.unknown_tasks import word_way_out
from tasks.text import gettext as _
from tasks.text import join_sentences

#: Fields that make the moments of a schedule.
RULE_FIELDS = (
    *("kind", "expression", "every", "at", "zone"),
    *("starts_at", "ends_at", "calendar", "on_day_off"),
)

#: What a rule of each kind goes by; it has nothing of the others.
_OWN = {
    Kind.CRON: "expression",
    Kind.EVERY: "every",
    Kind.AFTER: "every",
    Kind.ONCE: "at",
}
_NOTHING: dict[str, Any] = {"expression": "", "every": None, "at": None}


def set_values(
    schedule: Schedule, values: Mapping[str, Any], problems: Gathering | None = None
) -> None:
    """Set fields of a row that nobody saved yet.

    Raises InvalidOption, unless `problems` gather it: then what is wrong is not set.
    """
    found = Gathering() if problems is None else problems
    for field, value in read_values(values, schedule.zone, found).items():
        setattr(schedule, field, value)
    if "kind" not in found.by_field:  # else nobody knows what it goes by
        _go_by_kind(schedule, values, found)
    if problems is None:
        found.refuse()


def _go_by_kind(
    schedule: Schedule, values: Mapping[str, Any], problems: Gathering
) -> None:
    own = _OWN[Kind(schedule.kind)]
    for field, nothing in _NOTHING.items():
        if field != own:
            with problems:
                _refuse_unused(field, values.get(field), schedule.kind)
            setattr(schedule, field, nothing)
    if schedule.kind == Kind.CRON:
        with problems:
            schedule.expression = Cron.parse(schedule.expression).text


def _refuse_unused(field: str, value: Any, kind: str) -> None:
    if value:
        problem = _("means nothing to a schedule of the kind %(kind)s")
        raise InvalidOption(field, problem % {"kind": kind})


def check(
    schedule: Schedule,
    now: datetime,
    *,
    with_call: bool = True,
    problems: Gathering | None = None,
) -> None:
    """Raise InvalidOption, InvalidArguments or PayloadTooLarge for what cannot work.

    InvalidOption tells all fields at once, with the `problems` that were found before.
    """
    found = Gathering() if problems is None else problems
    task: Task | None = None
    with found:
        task = _check_task(schedule)
    if task is not None:
        _check_options(schedule, task, found)
    if "kind" not in found.by_field:
        with found:
            rule_of(schedule).check(now=now)
    found.refuse()
    if task is not None and with_call:
        _check_call(schedule, task)


def _check_options(schedule: Schedule, task: Task, problems: Gathering) -> None:
    options = Options(
        queue=schedule.queue or None,
        timeout=schedule.timeout,
        retries=schedule.retries,
        tags=schedule.tags,
    )
    for checked in (
        *(options.checked_queue, options.checked_timeout),
        *(options.checked_retries, options.checked_tags),
    ):
        with problems:
            checked(task)


def is_over(schedule: Schedule, now: datetime) -> bool:
    """Say whether all moments of a rule lie before `now` because it says so itself."""
    moment = schedule.at if schedule.kind == Kind.ONCE else None
    return any(end is not None and end <= now for end in (moment, schedule.ends_at))


def check_future(schedule: Schedule, now: datetime) -> None:
    """Raise InvalidOption for a rule that has no moment after `now`."""
    over = _("lies in the past, so it would never run")
    if schedule.kind == Kind.ONCE and schedule.at is not None and schedule.at <= now:
        raise InvalidOption("at", over)
    if schedule.ends_at is not None and schedule.ends_at <= now:
        raise InvalidOption("ends_at", over)
    if schedule.kind == Kind.AFTER:
        return
    if next(rule_of(schedule).moments(now, due=True), None) is None:
        field = _OWN[Kind(schedule.kind)] if schedule.ends_at is None else "ends_at"
        raise InvalidOption(field, _("leaves no moment at which it would run"))


def problem_of(schedule: Schedule, now: datetime | None = None) -> str:
    """Say why the next moment of a schedule would be refused, "" where it would not.

    Reads the calendar, so select it with the row.
    """
    if (missing := missing_calendar(schedule)) is not None:
        return str(no_calendar(missing))
    try:
        check(schedule, now or timezone.now())
    except (InvalidArguments, InvalidOption, PayloadTooLarge) as error:
        text = str(error)
        if isinstance(error, InvalidOption) and error.option == "task":
            text = error.problem
        return join_sentences(text, word_way_out(schedule.task))
    return ""


def missing_calendar(schedule: Schedule) -> str | None:
    """Return the calendar that the code names and nobody made, None where all is well."""
    declared = schedule.declared or {}
    if schedule.calendar_id is not None or "calendar" in schedule.overrides:
        return None
    return declared.get("calendar")


def _check_task(schedule: Schedule) -> Task:
    if not schedule.task:
        raise InvalidOption("task", _("is required"))
    try:
        return registry.get(schedule.task)
    except TaskNotRegistered as error:
        raise InvalidOption("task", str(error)) from error


def _check_call(schedule: Schedule, task: Task) -> None:
    signature = task.signature
    try:
        bound = signature.bind(schedule.args, schedule.kwargs)
        args, kwargs = signature.split(signature.to_json(bound))
    except InvalidArguments:
        raise
    except Exception as error:  # a task's own types may raise anything
        problem = {"": f"{type(error).__name__}: {error}"}
        raise InvalidArguments(task.name, problem) from error
    pack_call(task.path, args, kwargs)
