"""What a schedule would do, shown before it is saved."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tasks.models import Schedule
from tasks.models.schedule import Kind
from tasks.schedules.checks import check, check_future, set_values
from tasks.schedules.clock import clock
from tasks.schedules.cron import Cron
from tasks.schedules.gathering import Gathering
from tasks.schedules.moments import jitter_of, rule_of
from tasks.schedules.outlook import (
    NEXT_SHOWN,
    Collision,
    Upcoming,
    find_collisions,
    next_moments,
)
from tasks.schedules.row_words import queue_of, word_rule
from tasks.schedules.words import notes as notes_on
from tasks.text import gettext as _


@dataclass(frozen=True)
class PreviewMoment:
    """A moment to come; both in UTC."""

    due_at: datetime
    #: The due moment and the schedule's share of the jitter.
    runs_at: datetime
    #: What clocks or a calendar do to it, in words; "" for nothing.
    note: str
    #: Names of all other schedules due in the same minute on the same queue.
    collides_with: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preview:
    """The next moments; none for a rule that follows the end of its last run."""

    #: The rule in words, or the expression where it has none.
    words: str
    zone: str
    moments: tuple[PreviewMoment, ...] = ()
    #: What readers may not expect, in sentences.
    notes: tuple[str, ...] = ()


def preview(
    values: Mapping[str, Any],
    count: int = NEXT_SHOWN,
    *,
    schedule: Schedule | None = None,
    now: datetime | None = None,
) -> Preview:
    """Return what `values` would make of a new schedule, or of one that is there.

    Nothing is written. Raises InvalidOption, InvalidArguments and PayloadTooLarge as a
    save of the same values would; arguments that `values` leave out are not asked for.
    """
    now = now or clock.now()
    problems = Gathering()
    drafted = draft(values, schedule, problems)
    with_call = not values.keys().isdisjoint(("args", "kwargs"))
    check(drafted, now, with_call=with_call, problems=problems)
    check_future(drafted, now)
    jitter = jitter_of(drafted)
    upcoming = next_moments(
        rule_of(drafted), after=now - jitter, count=count, jitter=jitter
    )
    due = [moment for moment in upcoming if moment.is_due]
    collisions = find_collisions(
        queue_of(drafted), [moment.runs_at for moment in due], besides=drafted.pk
    )
    return Preview(
        words=word_rule(drafted),
        zone=drafted.zone,
        moments=tuple(_shown(moment, collisions.found) for moment in due),
        notes=tuple(_notes(drafted)),
    )


def draft(
    values: Mapping[str, Any],
    schedule: Schedule | None = None,
    problems: Gathering | None = None,
) -> Schedule:
    """Return a row that is not saved: `values`, and for the rest what `schedule` has.

    Raises InvalidOption, unless `problems` gather it.
    """
    if schedule is None:
        drafted, values = Schedule(), {"zone": None, **values}
    else:
        drafted = copy.copy(schedule)
    set_values(drafted, values, problems)
    return drafted


def _shown(moment: Upcoming, collisions: tuple[Collision, ...]) -> PreviewMoment:
    minute = moment.runs_at.replace(second=0, microsecond=0)
    none = Collision(minute, ())
    beside = next((one for one in collisions if one.minute == minute), none)
    return PreviewMoment(moment.due_at, moment.runs_at, moment.note, beside.names)


def _notes(schedule: Schedule) -> list[str]:
    if schedule.kind == Kind.CRON:
        return notes_on(Cron.parse(schedule.expression))
    if schedule.kind == Kind.AFTER:
        return [_("It runs first when it is saved, then so long after each end.")]
    return []
