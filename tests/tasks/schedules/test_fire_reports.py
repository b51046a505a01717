from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks.models import Schedule
from tasks.models.fire import Verdict
from tasks.schedules.fire_reports import (
    STRIP,
    find_origin,
    read_fires,
    read_strips,
)
from tasks.schedules.misfire import POLICY, STANDS_FOR
from tasks.schedules.moments import jitter_of
from tasks.states import State
from tests.timetable import (
    DAY,
    NOW,
    create_backfill,
    create_fire,
    create_fires,
    create_schedule,
)

pytestmark = pytest.mark.django_db


def test_a_strip_has_the_newest_fires_of_its_schedule_the_newest_last() -> None:
    long, short = create_schedule("long"), create_schedule("short")
    create_fires(long, STRIP + 5)
    create_fires(short, 2)
    strips = read_strips([long, short])
    assert [row.due_at for row in strips[long.pk]] == [
        NOW - number * DAY for number in range(STRIP, 0, -1)
    ]
    assert [row.due_at for row in strips[short.pk]] == [NOW - 2 * DAY, NOW - DAY]


def test_a_schedule_that_was_never_due_has_an_empty_strip() -> None:
    schedule = create_schedule()
    assert read_strips([schedule]) == {schedule.pk: ()}
    assert read_strips([]) == {}


def test_what_a_backfill_ran_is_not_in_the_strip() -> None:
    schedule = create_schedule()
    backfill = create_backfill(schedule)
    create_fire(schedule, NOW - DAY, Verdict.MISSED)
    create_fire(schedule, NOW - DAY, backfill=backfill)
    (row,) = read_strips([schedule])[schedule.pk]
    assert row.verdict == Verdict.MISSED
    (filled,) = read_fires(schedule, backfill_id=backfill.pk).rows
    assert (filled.verdict, filled.backfill_id) == (Verdict.RAN, backfill.pk)


def queries_for(schedules: list[Schedule]) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        read_strips(schedules)
    return [query["sql"] for query in queries]


def test_twice_the_schedules_need_no_more_queries() -> None:
    schedules = [create_schedule(f"s{number}") for number in range(4)]
    for schedule in schedules:
        create_fires(schedule, 3, state=State.FINISHED)
    assert len(queries_for(schedules[:2])) == len(queries_for(schedules)) == 3


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="reads SQLite's plan")
def test_fires_are_read_along_their_indexes() -> None:
    schedules = [create_schedule(f"s{number}") for number in range(4)]
    for schedule in schedules:
        create_fires(schedule, STRIP + 1)
    with CaptureQueriesContext(connection) as queries:
        read_strips(schedules)
        read_fires(schedules[0], before=NOW)
        find_origin("job-1")
    used = [index for query in queries for index in fire_indexes(query["sql"])]
    assert set(used) <= {"fire_newest", "fire_once", "fire_job"}
    assert len(used) == 1 + len(schedules) + 1 + 1


def fire_indexes(sql: str) -> list[str]:
    """Return by which indexes Fires are read, "" for the whole table."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        steps = [str(row[3]) for row in cursor.fetchall()]
    found = [re.match(r"(?:SCAN|SEARCH) (?:tasks_fire|U0)(.*)", step) for step in steps]
    rest = [match[1] for match in found if match]
    return [re.sub(r".*USING (COVERING )?INDEX (\w+).*|.*", r"\2", one) for one in rest]


@pytest.mark.parametrize(
    ("verdict", "reason", "state", "is_bad"),
    [
        (Verdict.RAN, "", State.FINISHED, False),
        (Verdict.RAN, "", State.STARTED, False),
        (Verdict.RAN, "", None, False),
        (Verdict.RAN, "", State.FAILED, True),
        (Verdict.LATE, "", State.LOST, True),
        (Verdict.LATE, "", State.FINISHED, False),
        (Verdict.SKIPPED, "overlap", None, False),
        (Verdict.MISSED, POLICY, None, True),
        (Verdict.MISSED, STANDS_FOR, None, False),
        (Verdict.REFUSED, "task", None, True),
        (Verdict.PAUSED, "", None, False),
        (Verdict.EXCLUDED, "day_off", None, False),
    ],
)
def test_what_needs_a_look_is_marked(
    verdict: Verdict, reason: str, state: State | None, is_bad: bool
) -> None:
    schedule = create_schedule()
    create_fire(schedule, verdict=verdict, reason=reason, state=state)
    (row,) = read_fires(schedule).rows
    assert row.is_bad == is_bad
    assert row.outcome == (state or "")
    assert row.word == (state or verdict)


def test_lateness_leaves_the_jitter_out() -> None:
    schedule = create_schedule(jitter=600)
    decided_at = NOW + jitter_of(schedule) + timedelta(seconds=3)
    create_fire(schedule, decided_at=decided_at)
    create_fire(schedule, NOW - DAY, decided_at=NOW - DAY)
    create_fire(schedule, NOW - 2 * DAY, Verdict.MISSED, decided_at=decided_at)
    late_by = [row.late_by for row in read_fires(schedule).rows]
    assert late_by == [timedelta(seconds=3), timedelta(), None]


def test_pages_follow_each_other_without_a_gap() -> None:
    schedule = create_schedule()
    fires = create_fires(schedule, 5)
    create_fires(create_schedule("other"), 2)
    seen, before = [], None
    for _page in range(3):
        page = read_fires(schedule, before=before, limit=2)
        seen += [row.due_at for row in page.rows]
        before = page.next_before
    assert before is None
    assert seen == [fire.due_at for fire in reversed(fires)]


def test_a_page_of_fires_takes_two_queries_however_long() -> None:
    schedule = create_schedule()
    create_fires(schedule, 8, state=State.FINISHED)
    for limit in (3, 6):
        with CaptureQueriesContext(connection) as queries:
            read_fires(schedule, limit=limit)
        assert len(queries) == 2


def test_a_job_knows_the_moment_that_it_came_of() -> None:
    schedule = create_schedule(zone="Asia/Shanghai")
    fire = create_fire(
        schedule,
        verdict=Verdict.LATE,
        state=State.FINISHED,
        decided_at=NOW + timedelta(minutes=5),
    )
    origin = find_origin(fire.job_key)
    assert origin is not None
    assert (origin.schedule, origin.due_at) == ("nightly", NOW)
    assert (origin.zone, origin.late_by) == ("Asia/Shanghai", timedelta(minutes=5))
    assert origin.is_late
    assert find_origin("another") is None
