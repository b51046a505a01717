from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks import schedule_rules
from tasks.concerns import (
    Concern,
    NoWorker,
    ScheduleOverdue,
    ScheduleRefused,
    SchedulesUnserved,
)
from tasks.models import Schedule
from tasks.models.fire import Verdict
from tasks.verdict import judge
from tests.snapshots import make_snapshot, make_worker
from tests.timetable import (
    DAY,
    NOW,
    create_backfill,
    create_fire,
    create_schedule,
)

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def verdict(**facts: object) -> list[Concern]:
    return judge(make_snapshot(**facts), NOW)


def delay(schedule: Schedule, seconds: float) -> None:
    next_at = NOW - timedelta(seconds=seconds)
    Schedule.objects.filter(pk=schedule.pk).update(next_at=next_at, look_at=next_at)


def test_schedules_that_do_as_they_should_are_no_news() -> None:
    schedule = create_schedule()
    create_fire(schedule, NOW - DAY)
    assert verdict() == []


def test_overdue_schedules_are_told_of_together_the_first_by_name() -> None:
    delay(create_schedule("second"), 70)
    delay(create_schedule("first"), 90)
    delay(create_schedule("just"), 50)
    delay(create_schedule("off", enabled=False), 90)
    assert verdict() == [ScheduleOverdue("first", 2, timedelta(seconds=90))]
    assert judge(None, NOW) == [ScheduleOverdue("first", 2, timedelta(seconds=90))]


def test_a_queue_that_schedules_need_and_no_worker_takes() -> None:
    create_schedule("soon", queue="reports")
    create_schedule("sooner", queue="reports", expression="30 8 * * *")
    create_schedule("mail", task="greet", kwargs={"name": "x"})
    create_schedule("far", queue="yearly", expression="0 9 1 1 *")
    create_schedule("served")
    emails, reports = verdict()
    assert emails == SchedulesUnserved("emails", 1, "mail", NOW + HOUR)
    assert isinstance(reports, SchedulesUnserved)
    assert (reports.queue, reports.schedules) == ("reports", 2)
    assert reports.next_at == NOW + HOUR / 2
    assert not reports.is_bad


def test_a_queue_whose_own_name_and_task_lead_to_it_is_told_of_once() -> None:
    create_schedule("mail", task="greet", kwargs={"name": "x"})
    create_schedule("by-name", queue="emails", expression="0 10 * * *")
    assert verdict() == [SchedulesUnserved("emails", 2, "mail", NOW + HOUR)]


def test_a_quiet_worker_takes_nothing() -> None:
    create_schedule("soon", queue="reports")
    quiet = make_worker("w2", queues=("reports",), quiet_since=timezone.now())
    found = verdict(workers=[make_worker(), quiet])
    assert [type(one) for one in found].count(SchedulesUnserved) == 1


def test_without_any_worker_that_is_what_is_told() -> None:
    create_schedule(queue="reports")
    assert verdict(workers=[]) == [NoWorker(0)]


def refuse(schedule: Schedule, days: int, **fields: object) -> None:
    facts = {"message": f"refused {days} days ago"}
    create_fire(schedule, NOW - days * DAY, Verdict.REFUSED, facts=facts, **fields)


def test_a_schedule_that_was_refused_last_is_told_of_since_the_first_time() -> None:
    schedule = create_schedule()
    refuse(schedule, 5)
    create_fire(schedule, NOW - 4 * DAY)
    for days in (3, 2, 1):
        refuse(schedule, days)
    assert verdict() == [
        ScheduleRefused("nightly", 3, NOW - 3 * DAY, "refused 1 days ago")
    ]
    create_fire(schedule, NOW, Verdict.SKIPPED)
    assert verdict() == []


def test_one_that_is_disabled_and_what_a_backfill_ran_count_not() -> None:
    off = create_schedule("off", enabled=False)
    refuse(off, 1)
    schedule = create_schedule()
    backfill = create_backfill(schedule)
    refuse(schedule, 2, backfill=backfill)
    assert verdict() == []
    refuse(schedule, 3)
    create_fire(schedule, NOW - DAY, backfill=backfill)
    assert len(verdict()) == 1


def test_there_are_at_most_five_of_a_kind() -> None:
    for number in range(7):
        schedule = create_schedule(f"s{number}", queue=f"q{number}")
        refuse(schedule, 1)
    found = [type(one) for one in verdict()]
    assert found.count(ScheduleRefused) == schedule_rules.CONCERNS
    assert found.count(SchedulesUnserved) == schedule_rules.CONCERNS


def test_twice_the_schedules_need_no_more_queries() -> None:
    counts = []
    for first, last in ((0, 3), (3, 6)):
        for number in range(first, last):
            schedule = create_schedule(f"s{number}", queue=f"q{number}")
            refuse(schedule, 1)
            delay(schedule, 90)
        with CaptureQueriesContext(connection) as queries:
            verdict()
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="reads SQLite's plan")
def test_what_was_refused_is_found_along_an_index() -> None:
    with CaptureQueriesContext(connection) as queries:
        schedule_rules.refused_schedules()
    (query,) = queries
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
        plan = "\n".join(row[3] for row in cursor.fetchall())
    assert "fire_refused" in plan
