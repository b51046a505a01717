from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks.errors import ScheduleNotFound
from tasks.models import Audit, Schedule
from tasks.models.fire import Verdict
from tasks.schedules.reports import (
    ScheduleFilter,
    ScheduleRow,
    get_schedule,
    read_rows,
    read_schedule,
    read_schedules,
)
from tasks.states import State
from tests.snapshots import make_snapshot, make_worker
from tests.timetable import (
    NOW,
    create_backfill,
    create_calendar,
    create_fire,
    create_fires,
    create_schedule,
)

pytestmark = pytest.mark.django_db


def listed(**wanted: str) -> list[str]:
    found = read_schedules(None, NOW, ScheduleFilter(**wanted))
    return [row.name for row in found.rows]


def row_of(schedule: Schedule, **options: Any) -> ScheduleRow:
    snapshot = make_snapshot(**options) if options else None
    return read_schedule(get_schedule(schedule.name), snapshot, NOW).row


def test_pages_are_by_name_and_follow_each_other() -> None:
    for name in ("b", "d", "a", "c", "e"):
        create_schedule(name)
    seen, after = [], ""
    for _page in range(3):
        page = read_schedules(None, NOW, after=after, limit=2)
        seen += [row.name for row in page.rows]
        after = page.next_after
    assert (seen, after) == (["a", "b", "c", "d", "e"], "")


def test_filters() -> None:
    create_schedule("plain", calendar=create_calendar("cn"))
    create_schedule("mail", task="greet", kwargs={"name": "x"})
    create_schedule("off", enabled=False, queue="emails")
    create_schedule("coded", declared={"expression": "0 9 * * *"})
    late = create_schedule("late")
    Schedule.objects.filter(pk=late.pk).update(
        next_at=NOW - timedelta(seconds=61), look_at=NOW - timedelta(seconds=61)
    )
    assert listed() == ["coded", "late", "mail", "off", "plain"]
    assert listed(text="PLA") == ["plain"]
    assert listed(text="gree") == listed(task="greet") == ["mail"]
    assert listed(queue="emails") == ["mail", "off"]
    assert listed(queue="emails", kind="enabled") == ["mail"]
    assert listed(calendar="cn") == ["plain"]
    assert listed(kind="disabled") == ["off"]
    assert listed(kind="declared") == ["coded"]
    assert listed(kind="overdue") == ["late"]
    assert listed(text="100%") == []


def test_a_row_says_when_where_and_with_what() -> None:
    schedule = create_schedule(expression="0 9 * * 1-5", kwargs={"a": 7})
    create_fire(schedule, NOW - timedelta(days=2), state=State.FINISHED)
    create_fire(schedule, NOW - timedelta(days=1), Verdict.SKIPPED)
    row = row_of(schedule)
    assert (row.words, row.call) == ("At 09:00, Monday to Friday", "(a=7)")
    assert (row.queue, row.next_in) == ("default", timedelta(hours=1))
    assert row.last is not None
    assert row.last.verdict == Verdict.SKIPPED
    assert row.last_run is not None
    assert row.last_run.outcome == State.FINISHED
    assert (row.overdue_since, row.problem) == (None, "")


def test_the_workers_that_can_take_it_live_and_take_jobs() -> None:
    schedule = create_schedule()
    workers = [
        make_worker("able"),
        make_worker("elsewhere", queues=("other",)),
        make_worker("lost", silent_for=60),
        make_worker("quiet", quiet_since=NOW),
    ]
    row = row_of(schedule, workers=workers)
    assert (row.workers, row.is_unserved) == (("able",), False)
    row = row_of(schedule, workers=workers[1:])
    assert (row.workers, row.is_unserved) == ((), True)
    unknown = row_of(schedule)
    assert (unknown.workers, unknown.is_unserved) == (None, False)


@pytest.mark.parametrize(("seconds", "is_overdue"), [(59, False), (61, True)])
def test_it_is_overdue_after_a_minute(seconds: float, is_overdue: bool) -> None:
    next_at = NOW - timedelta(seconds=seconds)
    schedule = create_schedule()
    Schedule.objects.filter(pk=schedule.pk).update(next_at=next_at)
    assert row_of(schedule).overdue_since == (next_at if is_overdue else None)
    Schedule.objects.filter(pk=schedule.pk).update(enabled=False)
    row = row_of(schedule)
    assert (row.overdue_since, row.next_at, row.next_in) == (None, None, None)


def test_what_changed_beneath_it_is_a_problem() -> None:
    gone = create_schedule("gone", task="shop.gone")
    unfit = create_schedule("unfit", kwargs={"b": 1})
    lost = create_schedule("lost")
    Schedule.objects.filter(pk=lost.pk).update(zone="Mars/Olympus")
    assert "shop.gone is not registered" in row_of(gone).problem
    assert row_of(gone).queue == ""
    assert "a: is required" in row_of(unfit).problem
    row = row_of(lost)
    assert "no time zone 'Mars/Olympus'" in row.problem
    assert row.words == "Every day at 09:00"


def test_arguments_that_somebody_wrote_into_the_row_are_told_of() -> None:
    (row,) = read_rows([create_schedule(kwargs=["a"])], None, NOW)
    assert row.call == "(…)"
    assert row.problem


def test_the_nearest_name_is_offered() -> None:
    create_schedule("nightly")
    with pytest.raises(ScheduleNotFound, match=r"Did you mean nightly\?"):
        get_schedule("nightli")
    with pytest.raises(ScheduleNotFound):
        get_schedule("a\0b")


def test_the_detail_has_what_comes_what_was_and_who_did_what() -> None:
    schedule = create_schedule()
    create_schedule("other")
    create_fires(schedule, 3)
    create_backfill(schedule)
    Audit.objects.create(
        actor="mara", via="web", verb="schedule.change", target="nightly"
    )
    Audit.objects.create(actor="mara", via="web", verb="queue.pause", target="nightly")
    detail = read_schedule(schedule, None, NOW)
    assert [moment.due_at.day for moment in detail.upcoming] == [10, 11, 12, 13, 14]
    assert [one.names for one in detail.collisions.found] == [("other",)] * 5
    assert len(detail.fires.rows) == 3
    assert detail.comparison == ()
    assert len(detail.backfills) == 1
    assert [entry.verb for entry in detail.history] == ["schedule.change"]


def create_busy(number: int) -> Schedule:
    calendar = create_calendar(f"calendar-{number}")
    schedule = create_schedule(f"s{number}", calendar=calendar)
    create_fires(schedule, 3, state=State.FINISHED)
    backfill = create_backfill(schedule)
    create_fire(schedule, state=State.FAILED, backfill=backfill)
    return schedule


def test_twice_the_schedules_need_no_more_queries() -> None:
    counts = []
    for first, last in ((0, 3), (3, 6)):
        for number in range(first, last):
            create_busy(number)
        with CaptureQueriesContext(connection) as queries:
            assert len(read_schedules(make_snapshot(), NOW).rows) == last
        counts.append(len(queries))
    assert counts == [4, 4]


def test_a_detail_takes_as_many_queries_however_much_there_is() -> None:
    schedule = get_schedule(create_busy(0).name)
    counts = []
    for number in range(1, 3):
        with CaptureQueriesContext(connection) as queries:
            read_schedule(schedule, make_snapshot(), NOW)
        counts.append(len(queries))
        create_busy(number)
        create_fires(
            schedule,
            30 * number,
            verdict=Verdict.SKIPPED,
            backfill=create_backfill(schedule),
        )
    assert counts[0] == counts[1] <= 9
