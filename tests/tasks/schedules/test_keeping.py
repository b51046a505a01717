from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tasks.errors import CalendarNotFound, InvalidOption, PermissionMissing
from tasks.models import Audit, Calendar, Fire, Schedule
from tasks.policy import Actor
from tasks.schedules.calendars import Days
from tasks.schedules.definitions import change, create
from tasks.schedules.keeping import delete_calendar, save_calendar
from tests.clocks import stop_clock
from tests.timetable import DAY, NOW

pytestmark = pytest.mark.django_db(transaction=True)

MARA = Actor("mara", "web")
NOBODY = Actor("eve", "web", frozenset())

NINE = NOW + timedelta(hours=1)

OFF_TODAY = b'{"off": ["2026-03-10"]}'
OFF_LATER = b'{"off": ["2026-04-06"], "work": ["2026-04-04"]}'
NEVER = json.dumps({"off": [f"{NOW + n * DAY:%Y-%m-%d}" for n in range(99)]}).encode()


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch, NOW)


def make() -> Schedule:
    values = {"task": "tests.sample.add", "kwargs": {"a": 1}, "calendar": "cn"}
    return create(MARA, "nightly", {"expression": "0 9 * * *", **values})


def test_a_file_becomes_a_calendar() -> None:
    save_calendar(MARA, "cn", OFF_LATER)
    row = Calendar.objects.get()
    days = Days.from_json(row.days)
    assert (len(days.off), len(days.work), row.changed_by) == (1, 1, "mara")
    entry = Audit.objects.get()
    assert (entry.verb, entry.target, entry.result) == (
        "calendar.save",
        "cn",
        "1 off, 1 work",
    )


def test_new_days_hold_for_what_is_due_next() -> None:
    save_calendar(MARA, "cn", OFF_TODAY)
    assert make().next_due_at == NINE + DAY
    save_calendar(MARA, "cn", OFF_LATER)
    row = Schedule.objects.get()
    assert (row.next_due_at, row.version) == (NINE, 2)
    assert Calendar.objects.count() == 1


def test_what_is_due_is_decided_by_the_old_days(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save_calendar(MARA, "cn", OFF_LATER)
    make()
    stop_clock(monkeypatch, NINE + timedelta(seconds=1))
    save_calendar(MARA, "cn", OFF_TODAY)
    assert (Fire.objects.get().due_at, Fire.objects.get().verdict) == (NINE, "ran")
    assert Schedule.objects.get().next_due_at == NINE + DAY


def test_days_with_which_a_schedule_could_not_work_are_refused() -> None:
    save_calendar(MARA, "cn", OFF_LATER)
    make()
    with pytest.raises(InvalidOption, match="schedule nightly could not keep to it"):
        save_calendar(MARA, "cn", NEVER)
    assert Days.from_json(Calendar.objects.get().days).weekends == {5, 6}
    assert Schedule.objects.get().version == 1


@pytest.mark.parametrize(
    ("name", "data", "option"),
    [
        ("a/b", OFF_LATER, "name"),
        ("cn", b"<html>", "calendar"),
        ("cn", b"", "calendar"),
    ],
)
def test_what_is_no_calendar_is_refused(name: str, data: bytes, option: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        save_calendar(MARA, name, data)
    assert caught.value.option == option
    assert not Calendar.objects.exists()


def test_one_that_schedules_keep_to_is_not_deleted() -> None:
    save_calendar(MARA, "cn", OFF_LATER)
    make()
    with pytest.raises(InvalidOption, match=r"schedules keep to it \(nightly\)"):
        delete_calendar(MARA, "cn")
    change(MARA, "nightly", {"calendar": None})
    delete_calendar(MARA, "cn")
    assert not Calendar.objects.exists()


@pytest.mark.parametrize("name", ["nobody", "a\0b"])
def test_one_that_is_not_there_is_said_so(name: str) -> None:
    with pytest.raises(CalendarNotFound):
        delete_calendar(MARA, name)


def test_who_may_not_is_refused() -> None:
    with pytest.raises(PermissionMissing):
        save_calendar(NOBODY, "cn", OFF_LATER)
    with pytest.raises(PermissionMissing):
        delete_calendar(NOBODY, "cn")
    assert not Calendar.objects.exists()
