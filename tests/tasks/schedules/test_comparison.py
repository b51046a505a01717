from __future__ import annotations

import pytest

from tasks.schedules.comparison import compare, told_apart
from tasks.schedules.fields import FIELDS, values_of
from tests.timetable import NOW, create_calendar, create_schedule

pytestmark = pytest.mark.django_db


def test_a_schedule_that_people_made_has_no_code_beside_it() -> None:
    assert compare(create_schedule()) == ()


def test_changed_fields_come_first_with_who_changed_them() -> None:
    schedule = create_schedule(
        expression="0 10 * * *",
        calendar=create_calendar("cn"),
        overrides={"expression": {"by": "mara", "at": NOW.isoformat()}},
    )
    schedule.declared = values_of(schedule) | {"expression": "0 9 * * *"}
    first, *others = compare(schedule)
    assert (first.field, first.declared, first.present) == (
        "expression",
        "0 9 * * *",
        "0 10 * * *",
    )
    assert (first.label, first.by, first.at) == ("expression", "mara", NOW)
    assert first.is_changed
    assert [one.field for one in others] == [
        field for field in FIELDS if field != "expression"
    ]
    assert not any(one.is_changed for one in others)
    assert next(one.present for one in others if one.field == "calendar") == "cn"


def test_only_what_differs_is_told_of_fields_that_change_together() -> None:
    mark = {"by": "mara", "at": NOW.isoformat()}
    changed = ("kind", "expression", "every", "at", "args", "kwargs", "overlap")
    schedule = create_schedule(
        expression="0 10 * * *", overrides=dict.fromkeys(changed, mark)
    )
    schedule.declared = values_of(schedule) | {"expression": "0 9 * * *"}
    told = [one.field for one in told_apart(compare(schedule))]
    # A value that is the code's again can be reset too, once for its group.
    assert told == ["expression", "args", "overlap"]
