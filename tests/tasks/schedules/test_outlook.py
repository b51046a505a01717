from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks.schedules import outlook
from tasks.schedules.days_off import DUE, MOVED
from tasks.schedules.moments import jitter_of
from tasks.schedules.outlook import find_collisions, read_upcoming
from tests.timetable import DAY, NOW, create_calendar, create_fire, create_schedule

pytestmark = pytest.mark.django_db

NINE = NOW + timedelta(hours=1)

#: The share of a jitter comes of the id: this one has more than half of an hour, and a
#: quarter of ten minutes.
SPREAD = uuid.UUID(int=4)


def test_the_next_moments_are_told_in_the_schedules_zone_with_its_jitter() -> None:
    schedule = create_schedule(
        expression="0 17 * * *", zone="Asia/Shanghai", jitter=600
    )
    first, second = read_upcoming(schedule, NOW, 2)
    assert (first.due_at, second.due_at) == (NINE, NINE + DAY)
    assert first.local.isoformat() == "2026-03-10T17:00:00+08:00"
    assert first.runs_at == NINE + jitter_of(schedule)
    assert first.note == ""


def test_what_the_clocks_do_is_noted() -> None:
    eve = datetime(2026, 3, 28, 12, tzinfo=UTC)
    schedule = create_schedule(now=eve, expression="30 2 * * *", zone="Europe/Berlin")
    (moment,) = read_upcoming(schedule, eve, 1)
    assert moment.local.isoformat() == "2026-03-29T03:00:00+02:00"
    assert "does not exist that day" in moment.note


def test_what_a_calendar_takes_off_stands_between() -> None:
    calendar = create_calendar(off=["2026-03-11"])
    schedule = create_schedule(calendar=calendar, on_day_off="next")
    found = read_upcoming(schedule, NOW, 2)
    days = [(moment.due_at.day, moment.verdict) for moment in found]
    assert days == [(10, DUE), (11, MOVED), (12, DUE)]
    assert found[1].note.startswith("a day off: moved to 2026-03-12 09:00")
    assert not found[1].is_due


def test_it_is_bounded_where_nearly_all_is_off() -> None:
    calendar = create_calendar(off=["2026-03-11", "2026-03-12", "2026-03-13"])
    schedule = create_schedule(
        expression="* 9 * * *", calendar=calendar, now=NOW + timedelta(hours=1.5)
    )
    found = read_upcoming(schedule, NOW + timedelta(hours=1.5), 40)
    assert sum(moment.is_due for moment in found) == 40
    assert len(found) == 80


@pytest.mark.parametrize(
    ("fields", "number"),
    [
        ({"enabled": False}, 0),
        ({"most_fires": 3, "fired": 1}, 2),
        ({"most_fires": 3, "fired": 3}, 0),
        ({"ends_at": NINE + DAY}, 2),
        ({"kind": "once", "at": NINE, "expression": ""}, 1),
        ({"kind": "once", "at": NOW - DAY, "expression": ""}, 0),
    ],
)
def test_nothing_comes_that_will_not_run(fields: dict[str, Any], number: int) -> None:
    assert len(read_upcoming(create_schedule(**fields), NOW)) == number


def test_what_was_decided_already_does_not_come_again() -> None:
    schedule = create_schedule(id=SPREAD, jitter=600)
    schedule.cursor = NINE
    (moment,) = read_upcoming(schedule, NINE + timedelta(seconds=1), 1)
    assert moment.due_at == NINE + DAY


def test_one_that_follows_its_own_end_has_one_moment_where_it_is_known() -> None:
    schedule = create_schedule(kind="after", every=60, expression="")
    (moment,) = read_upcoming(schedule, NOW)
    assert moment.due_at == schedule.next_due_at
    schedule.next_due_at = None
    assert read_upcoming(schedule, NOW) == ()


def test_a_zone_that_is_gone_leaves_nothing_to_tell() -> None:
    schedule = create_schedule()
    schedule.zone = "Mars/Olympus"
    assert read_upcoming(schedule, NOW) == ()


@pytest.mark.parametrize(
    "fields", [{"expression": "99 x"}, {"kind": "every", "every": -5}]
)
def test_a_rule_that_is_none_any_more_leaves_nothing_to_tell(
    fields: dict[str, Any],
) -> None:
    schedule = create_schedule()
    for name, value in fields.items():
        setattr(schedule, name, value)
    assert read_upcoming(schedule, NOW) == ()


# Collisions.


def colliding(queue: str = "default", **options: Any) -> tuple[str, ...]:
    found = find_collisions(queue, [NINE], **options).found
    return tuple(name for collision in found for name in collision.names)


def test_schedules_collide_in_the_same_minute_of_the_same_queue() -> None:
    own = create_schedule("own")
    create_schedule("same", expression="59 0 9 * * *")
    create_schedule("later", expression="1 9 * * *")
    create_schedule("elsewhere", queue="other")
    create_schedule("off", enabled=False)
    assert colliding(besides=own.pk) == ("same",)
    assert colliding("other") == ("elsewhere",)
    assert colliding("nobody") == ()


def test_the_queue_may_be_the_tasks_own() -> None:
    create_schedule("mail", task="greet", kwargs={"name": "x"})
    assert colliding("emails") == ("mail",)
    assert colliding() == ()


def test_what_counts_is_when_the_job_comes() -> None:
    schedule = create_schedule("spread", id=SPREAD, jitter=3600)
    jitter = jitter_of(schedule)
    assert jitter > timedelta(minutes=1)
    assert colliding() == ()
    found = find_collisions("default", [NINE + jitter]).found
    assert [collision.names for collision in found] == [("spread",)]


def test_one_that_follows_its_own_end_collides_when_that_is_known() -> None:
    schedule = create_schedule("again", kind="after", every=3600, expression="")
    schedule.next_at = schedule.next_due_at = NINE + timedelta(seconds=59)
    schedule.save()
    assert colliding() == ("again",)


def test_many_are_found_and_too_many_are_said_to_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(outlook.NAMES_SHOWN + 2):
        create_schedule(f"s{number:02}")
    whole = find_collisions("default", [NINE])
    names, more = outlook.shorten(whole.found[0].names)
    assert (len(names), more, whole.partial) == (outlook.NAMES_SHOWN, 2, False)
    monkeypatch.setattr(outlook, "SCHEDULES_READ", 3)
    assert find_collisions("default", [NINE]).partial


def test_twice_the_schedules_need_no_more_queries() -> None:
    calendar = create_calendar()
    counts = []
    for first, last in ((0, 3), (3, 6)):
        for number in range(first, last):
            create_fire(create_schedule(f"s{number}", calendar=calendar))
        with CaptureQueriesContext(connection) as queries:
            find_collisions("default", [NINE, NINE + DAY])
        counts.append(len(queries))
    assert counts == [1, 1]
