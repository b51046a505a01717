from __future__ import annotations

from dataclasses import replace

import pytest

from dashboard.forms import Field
from dashboard.schedule_fields import make_settings
from dashboard.schedule_form import ScheduleForm, change_by, fill, make_edit_form
from dashboard.schedule_merge import merge, read_seen, write_seen
from tasks.models import Schedule
from tasks.schedules import definitions
from tests.dashboard.schedules import MARA, make_schedule

A, B = Field("a", "text", text="1"), Field("b", "text", text="1")
SECRET = Field("key", "password", text="s3cret")


def changed(field: Field, text: str) -> Field:
    return replace(field, text=text)


@pytest.mark.parametrize(
    ("mine", "theirs", "merged", "told"),
    [
        ("1", "1", "1", []),
        ("2", "1", "2", []),
        ("2", "2", "2", []),
        ("1", "3", "3", [("3", None)]),
        ("2", "3", "2", [("3", "2")]),
    ],
)
def test_what_one_side_left_alone_is_as_the_other_has_it(
    mine: str, theirs: str, merged: str, told: list[tuple[str, str | None]]
) -> None:
    seen = read_seen(write_seen([A, B]))
    found, differences = merge(seen, [changed(A, mine), B], [changed(A, theirs), B])
    assert [field.text for field in found] == [merged, "1"]
    assert [(one.theirs, one.mine) for one in differences] == told


def test_a_password_is_neither_sent_along_nor_told() -> None:
    assert "s3cret" not in write_seen([SECRET])
    found, differences = merge({}, [changed(SECRET, "")], [SECRET])
    assert (found[0].text, differences) == ("", [])


@pytest.mark.django_db
@pytest.mark.parametrize(("typed", "kept"), [("", "s3cret"), ("new", "new")])
def test_a_password_stays_where_none_is_typed(typed: str, kept: str) -> None:
    form = ScheduleForm(None, A, [SECRET], make_settings({}))
    filled, values = fill(form, {SECRET.input_name: typed})
    assert (filled.arguments[0].text, values["kwargs"]) == (kept, {"key": kept})


@pytest.mark.django_db(transaction=True)
def test_a_change_between_reading_and_saving_is_told_too() -> None:
    read = make_schedule()
    form = make_edit_form(read)
    definitions.change(MARA, read.name, {"jitter": 30})
    posted = {field.input_name: field.text for field in form.settings}
    del posted["set-at_front"]
    posted |= {"arg-a": "1", "arg-b": "2", "set-grace": "90"}
    posted |= {"version": form.version, "seen": form.seen}
    sent_back, saved = change_by(read, posted, MARA)
    assert saved is None
    assert sent_back.conflict is not None
    assert [one.theirs for one in sent_back.conflict.differences] == ["30"]
    assert sent_back.version == str(Schedule.objects.get().version)
