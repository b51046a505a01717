from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks.schedules import timeline
from tasks.schedules.timeline import DAY, MARKS, WEEK, read_timeline
from tests.timetable import NOW, create_calendar, create_schedule

pytestmark = pytest.mark.django_db

HALF_PAST = NOW + timedelta(minutes=30)


def test_each_run_of_the_next_24_hours_is_marked() -> None:
    create_schedule("daily", now=HALF_PAST)
    create_schedule("noon", expression="0 12 * * *", now=HALF_PAST)
    found = read_timeline(HALF_PAST)
    assert (found.begin, found.end) == (NOW, NOW + timedelta(hours=25))
    daily, noon = found.lanes
    (mark,) = daily.marks
    assert mark.at == NOW + timedelta(hours=1)
    assert mark.place == pytest.approx(100 / 25)
    assert (daily.schedule.name, daily.words) == ("daily", "Every day at 09:00")
    assert [bucket.runs for bucket in noon.buckets][:6] == [0, 0, 0, 0, 1, 0]


def test_what_runs_just_before_24_hours_are_over_is_seen() -> None:
    schedule = create_schedule(expression="20 8 * * *", now=HALF_PAST)
    (lane,) = read_timeline(HALF_PAST).lanes
    assert [mark.at for mark in lane.marks] == [schedule.next_at]


def test_a_week_has_quarters_of_days_in_the_readers_zone() -> None:
    create_schedule(now=NOW)
    with timezone.override(ZoneInfo("Asia/Shanghai")):
        found = read_timeline(NOW, WEEK)
        assert timezone.localtime(found.begin).hour == 12
    assert len(found.buckets) == 29
    assert found.lanes[0].runs == 8


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)]
)
def test_a_week_keeps_to_the_clocks_where_they_are_changed(
    day: str, hours: int
) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    midnight = datetime.fromisoformat(day).replace(tzinfo=berlin)
    now = midnight - timedelta(days=2)
    create_schedule(expression="0 * * * *", zone="UTC", now=now)
    with timezone.override(berlin):
        found = read_timeline(now, WEEK)
    local = [bucket.begin.astimezone(berlin) for bucket in found.buckets]
    assert {(one.hour % 6, one.minute) for one in local} == {(0, 0)}
    on_day = [
        bucket
        for bucket, begin in zip(found.buckets, local, strict=True)
        if begin.date() == midnight.date()
    ]
    assert sum(bucket.runs for bucket in on_day) == hours
    share = sum(bucket.width for bucket in on_day) / 100
    assert share * ((found.end - found.begin) / timedelta(hours=1)) == pytest.approx(
        hours
    )


def test_where_there_are_many_they_are_counted() -> None:
    create_schedule(expression="* * * * *", now=HALF_PAST)
    (lane,) = read_timeline(HALF_PAST).lanes
    assert lane.marks == ()
    runs = [bucket.runs for bucket in lane.buckets]
    assert runs == [29, *[60] * 24]
    assert lane.runs == sum(runs)


@pytest.mark.parametrize(("minutes", "runs"), [(40, 37), (30, 49)])
def test_marks_and_counts_agree_where_one_becomes_the_other(
    minutes: int, runs: int
) -> None:
    create_schedule(kind="every", every=60 * minutes, expression="", now=NOW)
    (lane,) = read_timeline(NOW).lanes
    assert lane.runs == sum(bucket.runs for bucket in lane.buckets) == runs
    assert len(lane.marks) == (runs if runs <= MARKS else 0)


def test_no_more_runs_are_shown_than_are_left() -> None:
    create_schedule("few", expression="* * * * *", most_fires=10, fired=4)
    create_schedule("many", expression="* * * * *", most_fires=100, fired=0)
    lanes = {lane.schedule.name: lane for lane in read_timeline(NOW).lanes}
    assert (lanes["few"].runs, len(lanes["few"].marks)) == (6, 6)
    runs = [bucket.runs for bucket in lanes["many"].buckets]
    assert (runs[:3], sum(runs)) == ([59, 41, 0], 100)


def test_jitter_moves_the_marks() -> None:
    schedule = create_schedule(jitter=3600)
    (lane,) = read_timeline(NOW).lanes
    assert lane.marks[0].at == schedule.next_at


def test_one_that_follows_its_own_end_is_marked_where_it_is_known() -> None:
    schedule = create_schedule(kind="after", every=60, expression="")
    schedule.next_at = NOW - timedelta(hours=3)
    schedule.save()
    (lane,) = read_timeline(NOW).lanes
    assert [mark.at for mark in lane.marks] == [NOW]


def test_the_totals_are_those_of_all_lanes() -> None:
    for name in ("a", "b", "c"):
        create_schedule(name)
    found = read_timeline(NOW)
    assert found.buckets[1].runs == found.most_runs == 3
    assert read_timeline(NOW - timedelta(days=9)).most_runs == 1


def test_disabled_and_later_ones_have_no_lane() -> None:
    create_schedule("off", enabled=False)
    create_schedule("later", expression="0 9 20 * *")
    assert read_timeline(NOW, DAY).lanes == ()


def test_lanes_are_bounded_and_the_rest_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(timeline, "LANES", 2)
    for hour in (12, 10, 11):
        create_schedule(f"at-{hour}", expression=f"0 {hour} * * *")
    found = read_timeline(NOW)
    names = [lane.schedule.name for lane in found.lanes]
    assert (names, found.more) == (["at-10", "at-11"], 1)


def test_twice_the_schedules_need_no_more_queries() -> None:
    calendar = create_calendar()
    counts = []
    for first, last in ((0, 3), (3, 6)):
        for number in range(first, last):
            create_schedule(f"s{number}", calendar=calendar)
        with CaptureQueriesContext(connection) as queries:
            assert len(read_timeline(NOW).lanes) == last
        counts.append(len(queries))
    assert counts == [2, 2]
