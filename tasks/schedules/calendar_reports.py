"""The read side of calendars."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.db.models import Count

from tasks.models import Calendar
from tasks.schedules.calendars import Days
from tasks.schedules.fields import no_calendar
from tasks.strict_json import is_storable

#: Calendars that are shown, by name.
CALENDARS_SHOWN = 200


@dataclass(frozen=True)
class CalendarRow:
    """A calendar, and how many schedules keep to it."""

    calendar: Calendar
    days: Days
    schedules: int

    @property
    def last_day(self) -> date | None:
        """The last day that it names; after it only weekends are off."""
        return max([*self.days.off, *self.days.work], default=None)


def get_calendar(name: str) -> Calendar:
    """Return the calendar's row. Raises CalendarNotFound, with the nearest name."""
    known = Calendar.objects.filter(name=name)
    found = known.first() if is_storable(name) else None
    if found is None:
        raise no_calendar(name)
    return found


def read_calendars() -> tuple[CalendarRow, ...]:
    """Return the calendars by name, in one query."""
    found = Calendar.objects.annotate(schedules=Count("schedule")).order_by("name")
    return tuple(
        CalendarRow(row, Days.from_json(row.days), row.schedules)
        for row in found[:CALENDARS_SHOWN]
    )


def read_calendar_row(calendar: Calendar) -> CalendarRow:
    """Return one calendar with the number of its schedules."""
    number = calendar.schedule_set.count()
    return CalendarRow(calendar, Days.from_json(calendar.days), number)
