"""What the settings of a schedule would do, beside the form that they stand in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.collisions import Clash, clashes_in
from dashboard.forms import Field
from dashboard.schedule_fields import make_settings, read_settings
from tasks.errors import InvalidOption, ScheduleNotFound
from tasks.models import Schedule
from tasks.schedules import definitions
from tasks.schedules.preview import Preview
from tasks.schedules.reports import get_schedule
from tasks.text import name_problem


@dataclass(frozen=True)
class Outlook:
    """What a rule would do, or what is wrong with it."""

    preview: Preview | None = None
    problems: Sequence[str] = ()

    @property
    def clashes(self) -> list[Clash]:
        return clashes_in(self.preview.moments) if self.preview else []


def look_at_settings(posted: Mapping[str, str]) -> Outlook:
    """Return what the settings alone would do, whatever the task's arguments are."""
    settings, values = read_settings(make_settings({}), posted)
    values["task"] = posted.get("task", "")
    try:
        schedule = get_schedule(posted.get("schedule", ""))
    except ScheduleNotFound:
        schedule = None
    return outlook_of(settings, values, schedule)


def outlook_of(
    settings: Sequence[Field], values: Mapping[str, Any], schedule: Schedule | None
) -> Outlook:
    """Return what the values of the inputs would do, or all that is wrong with them."""
    call = ("args", "kwargs")
    rule = {name: value for name, value in values.items() if name not in call}
    wrong = {field.name: field.problem for field in settings if field.problem}
    preview = None
    try:
        preview = definitions.preview(rule, schedule=schedule)
    except InvalidOption as error:
        wrong = error.by_field | wrong
    if wrong:
        return Outlook(problems=_word_problems(settings, wrong))
    return Outlook(preview)


def _word_problems(settings: Sequence[Field], problems: Mapping[str, str]) -> list[str]:
    labels = {field.name: field.label for field in settings}
    return [name_problem(labels.get(f, f), problem) for f, problem in problems.items()]
