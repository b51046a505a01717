from __future__ import annotations

from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks.errors import CalendarNotFound
from tasks.schedules.calendar_reports import get_calendar, read_calendars
from tests.timetable import create_calendar, create_schedule

pytestmark = pytest.mark.django_db


def test_calendars_say_how_far_they_reach_and_who_keeps_to_them() -> None:
    calendar = create_calendar("de", off=["2026-01-01"], work=["2026-02-14"])
    create_schedule("a", calendar=calendar)
    create_schedule("b", calendar=calendar)
    create_calendar("bare")
    with CaptureQueriesContext(connection) as queries:
        bare, named = read_calendars()
    assert len(queries) == 1
    assert (named.calendar, named.schedules) == (calendar, 2)
    assert named.last_day == date(2026, 2, 14)
    assert (bare.schedules, bare.last_day) == (0, None)


def test_the_nearest_name_is_offered() -> None:
    create_calendar("germany")
    with pytest.raises(CalendarNotFound, match=r"Did you mean germany\?"):
        get_calendar("germny")
    with pytest.raises(CalendarNotFound):
        get_calendar("a\0b")
