"""What changed beneath a running scheduler: it goes on, and the others fire in time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from tasks.models import Calendar, Fire, Job, Schedule
from tasks.models.fire import Verdict
from tasks.models.schedule import Kind
from tasks.registry import registry
from tasks.schedules.declared import cron
from tasks.schedules.drafts import TAKEOVER
from tasks.schedules.fires import Firing
from tasks.schedules.reports import read_rows
from tasks.schedules.sync import sync_declared
from tests.timetable import DAY, NOW, create_calendar, create_schedule

pytestmark = pytest.mark.django_db

#: When the schedules of tests are due first.
DUE = NOW + timedelta(hours=1)

MINUTE = timedelta(minutes=1)

#: A row's columns, written by hand: what the models would never write.
BROKEN: dict[str, dict[str, Any]] = {
    "task removed": {"task": "shop.gone"},
    "arguments no longer fit": {"kwargs": '{"colour": 7}'},
    "arguments are null": {"args": "null", "kwargs": "null"},
    "arguments are a text": {"args": '"many"', "kwargs": "[1]"},
    "tags are a number": {"tags": "7"},
    "zone unknown": {"zone": "Mars/Olympus"},
    "kind xyz": {"kind": "xyz"},
    "no expression": {"expression": ""},
    "every is negative": {"kind": "every", "expression": "", "every": -5.0},
    "every is null": {"kind": "every", "expression": "", "every": None},
    "overlap xyz": {"overlap": "xyz"},
    "misfire xyz": {"misfire": "xyz", "cursor": NOW - 3 * DAY},
    "day off xyz": {"on_day_off": "xyz", "calendar_id": "of the test"},
    "jitter is endless": {"jitter": 1e300},
    "grace is negative": {"grace": -1e300},
    "due in 1970": dict.fromkeys(
        ("look_at", "next_at", "next_due_at"), datetime(1970, 1, 1, tzinfo=UTC)
    ),
    "cursor in the year 1": {"cursor": datetime(1, 1, 2, tzinfo=UTC)},
    "expression of nonsense": {"expression": "61 x"},
    "queue of nonsense": {"queue": "\\ \\"},
    "calendar of nonsense": {"calendar_id": "of the test"},
}

#: Rows whose rule and call are sound: what is wrong shows when they are overdue.
UNSEEN = {
    *("overlap xyz", "misfire xyz", "grace is negative"),
    *("jitter is endless", "due in 1970", "cursor in the year 1"),
}


def break_row(name: str, columns: dict[str, Any]) -> None:
    """Change columns past Django and its checks."""
    if columns.get("calendar_id"):
        columns = {**columns, "calendar_id": Calendar.objects.get().pk}
    table = Schedule._meta.db_table
    pairs = ", ".join(f"{column} = %s" for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET {pairs} WHERE name = %s",  # noqa: S608
            [*columns.values(), name],
        )


@pytest.fixture
def rows() -> None:
    """Twenty that are broken, each followed by a good one, all due at one moment."""
    create_calendar()
    for number, (name, columns) in enumerate(BROKEN.items()):
        create_schedule(name)
        create_schedule(f"good {number}")
        break_row(name, columns)
    Calendar.objects.update(days={"off": "never", "weekends": ["x"]})


def test_a_broken_row_stops_neither_the_scheduler_nor_the_others(
    rows: None, caplog: pytest.LogCaptureFixture
) -> None:
    firing = Firing()
    # It is no broken one's turn again and again.
    for later in (timedelta(), TAKEOVER, MINUTE, 2 * MINUTE):
        firing.step(DUE + later)
    good = Fire.objects.filter(schedule__name__startswith="good")
    assert {fire.verdict for fire in good} == {Verdict.RAN}
    assert good.filter(decided_at=DUE).count() == len(BROKEN) == 20
    held = {
        name for name in BROKEN if f"schedule {name} cannot be decided" in caplog.text
    }
    told = set(Fire.objects.values_list("schedule__name", flat=True))
    assert set(BROKEN) <= held | told, set(BROKEN) - held - told
    reasons = Fire.objects.filter(verdict=Verdict.REFUSED)
    assert all(fire.facts["message"] for fire in reasons)
    assert reasons.count() >= 8


def test_a_good_one_is_due_in_time_while_broken_ones_are_held(rows: None) -> None:
    firing = Firing()
    firing.step(DUE)
    at = DUE + timedelta(seconds=30)
    create_schedule("late comer", kind=Kind.ONCE, at=at, expression="", now=DUE)
    firing.step(DUE + timedelta(seconds=1))
    before = Job.objects.count()
    assert firing.step(at) > at
    assert Job.objects.count() == before + 1


def test_pages_say_what_is_wrong(rows: None) -> None:
    schedules = list(Schedule.objects.select_related("calendar").order_by("name"))
    shown = {row.name: row.problem for row in read_rows(schedules, None, DUE)}
    fine = {name for name, problem in shown.items() if not problem}
    assert fine - {f"good {number}" for number in range(20)} <= UNSEEN


def test_a_process_that_starts_gets_past_them(rows: None) -> None:
    declared = cron("0 9 * * *", name="declared", kwargs={"name": "x"})
    values = {"task": "greet", "kwargs": {"name": "x"}}
    Schedule.objects.filter(name__in=BROKEN).update(declared=values)
    endless = Schedule.objects.filter(name="jitter is endless")
    endless.update(overrides={"jitter": {}}, enabled=False)
    others = [cron("0 9 * * *", name=name, kwargs={"name": "x"}) for name in BROKEN]
    greet = replace(registry.get("greet"), schedules=(*others, declared))
    done = sync_declared([greet], DUE)
    assert done.made == ["declared"]
    assert "OverflowError" in done.problems["jitter is endless"]
    assert Schedule.objects.filter(name="declared", next_at=DUE + DAY).exists()
