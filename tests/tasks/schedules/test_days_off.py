"""Days off: in China 1 to 7 October 2026 are, Saturday the 10th is worked."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from tasks.schedules.rule import Rule
from tests.tasks.schedules.samples import (
    GOLDEN_WEEK,
    SHANGHAI,
    Only,
    Week,
    at,
    cron,
    dates,
    in_october,
)

DAY = timedelta(days=1)


def test_days_off_are_skipped_and_told() -> None:
    found = in_october(cron("0 9 * * *", calendar=GOLDEN_WEEK))
    assert dates(found, "due") == [8, 9, 10, 12, 13]
    assert dates(found, "excluded") == [1, 2, 3, 4, 5, 6, 7, 11]
    assert found[0].note(SHANGHAI) == "a day off"


def test_days_off_may_be_worked_all_the_same() -> None:
    rule = cron("0 9 * * *", calendar=GOLDEN_WEEK, on_day_off="run")
    assert dates(in_october(rule), "due") == list(range(1, 14))


def test_a_run_on_a_day_off_moves_to_the_next_working_day_once() -> None:
    found = in_october(cron("0 9 * * 5", calendar=GOLDEN_WEEK, on_day_off="next"))
    assert dates(found, "due") == [8, 9]
    assert dates(found, "moved") == [2]
    moved, stand_in = found[0], found[1]
    assert moved.moved_to == stand_in.due_at == at("2026-10-08T09:00+08:00")
    assert stand_in.nominal_at == moved.due_at == at("2026-10-02T09:00+08:00")
    assert moved.note(SHANGHAI) == "a day off: moved to 2026-10-08 09:00"
    assert stand_in.note(SHANGHAI) == "for 2026-10-02 09:00, a day off"
    assert found[2].note(SHANGHAI) == ""


def test_a_run_on_a_day_off_moves_to_the_working_day_before() -> None:
    rule = cron("0 9 2,11 * *", calendar=GOLDEN_WEEK, on_day_off="previous")
    begin, end = at("2026-09-29T00:00+08:00"), at("2026-10-14T00:00+08:00")
    found = list(rule.moments(begin, before=end))
    assert dates(found, "due") == [30, 10]
    assert dates(found, "moved") == [2, 11]
    assert found[1].moved_to == found[0].due_at == at("2026-09-30T09:00+08:00")


def test_a_working_day_with_runs_of_its_own_has_each_time_once() -> None:
    rule = cron("0 9,17 * * *", calendar=GOLDEN_WEEK, on_day_off="next")
    due = [one for one in in_october(rule) if one.is_due]
    on_the_8th = [one for one in due if one.due_at.astimezone(SHANGHAI).day == 8]
    assert [one.due_at.hour for one in on_the_8th] == [1, 9]
    assert all(one.nominal_at == one.due_at for one in on_the_8th)


def test_too_many_days_off_in_a_row_exclude_a_run() -> None:
    rule = cron("0 9 * * *", calendar=Only(date(2026, 12, 1)), on_day_off="next")
    begin = at("2026-09-01T00:00+08:00")
    found = list(rule.moments(begin, before=at("2026-12-02T00:00+08:00")))
    assert [one.verdict for one in found].count("moved") == 60
    assert [one.verdict for one in found].count("excluded") == 31
    assert [one.due_at for one in found if one.is_due] == [at("2026-12-01T09:00+08:00")]


def test_nothing_moves_to_where_the_rule_does_not_reach() -> None:
    rule = cron(
        "0 9 * * 5",
        calendar=GOLDEN_WEEK,
        on_day_off="next",
        ends_at=at("2026-10-07T00:00+08:00"),
    )
    assert [one.verdict for one in in_october(rule)] == ["excluded"]


def test_what_was_due_before_the_beginning_does_not_move_into_it() -> None:
    rule = cron(
        "0 9,17 * * 5",
        calendar=GOLDEN_WEEK,
        on_day_off="next",
        starts_at=at("2026-10-02T12:00+08:00"),
    )
    due = [one.due_at for one in in_october(rule) if one.is_due]
    assert due[0] == at("2026-10-08T17:00+08:00")
    assert dates(in_october(rule), "due") == [8, 9, 9]


def test_a_run_moves_from_a_time_that_the_clocks_left_out() -> None:
    rule = Rule(
        kind="cron",
        expression="30 2 * * 0",
        zone="Europe/Berlin",
        calendar=Week(),
        on_day_off="next",
    )
    moved, due = islice(rule.moments(at("2026-03-28T12:00Z")), 2)
    assert moved.due_at == at("2026-03-29T03:00+02:00")
    assert moved.moved_to == due.due_at == at("2026-03-30T02:30+02:00")
    assert due.nominal_at == moved.due_at


def test_a_day_that_does_not_exist_takes_no_runs() -> None:
    only_thursday = Only(date(2011, 12, 29))
    rule = cron("0 9 * * *", zone="Pacific/Apia", on_day_off="previous")
    begin, end = at("2011-12-29T00:00-10:00"), at("2012-01-02T00:00+14:00")
    rule = replace(rule, calendar=only_thursday)
    found = list(rule.moments(begin, before=end))
    assert [one.verdict for one in found] == ["due", "moved", "moved"]
    rule = replace(rule, calendar=Only(date(2011, 12, 30)), on_day_off="next")
    found = list(rule.moments(begin, before=end))
    assert [one.verdict for one in found] == ["excluded"] * 3


def expected_days(
    nominal: set[date], week: Week, first: date, number: int, step: int
) -> list[date]:
    """Move each nominal day, one by one, until it is a working one."""
    found = set()
    for day in nominal:
        while not week.is_working(day):
            day += step * DAY
        found.add(day)
    return sorted(day for day in found if first <= day < first + number * DAY)


@pytest.mark.parametrize(("on_day_off", "step"), [("next", 1), ("previous", -1)])
def test_days_move_as_one_by_one(on_day_off: str, step: int) -> None:
    draw = random.Random(7)
    first = date(2026, 3, 1)
    for _number in range(60):
        every = [first + number * DAY for number in range(-30, 90)]
        week = Week(
            frozenset(draw.sample(every, 40)), frozenset(draw.sample(every, 10))
        )
        dates_of = sorted(draw.sample(range(1, 32), 3))
        nominal = {day for day in every if day.day in dates_of}
        text = f"0 9 {','.join(map(str, dates_of))} * *"
        rule = cron(text, calendar=week, on_day_off=on_day_off)
        begin = datetime.combine(first, time(), SHANGHAI)
        moments = list(rule.moments(begin, before=begin + 40 * DAY))
        due = [one.due_at.astimezone(SHANGHAI).date() for one in moments if one.is_due]
        assert due == expected_days(nominal, week, first, 40, step)
        by_due = [one.due_at for one in moments]
        assert by_due == sorted(set(by_due))
        targets = {one.moved_to for one in moments if one.moved_to}
        inside = {to for to in targets if begin < to < begin + 40 * DAY}
        assert inside <= {one.due_at for one in moments if one.is_due}


def test_after_an_end_a_run_waits_for_a_working_day() -> None:
    rule = Rule(
        kind="after",
        every=3600,
        zone="Asia/Shanghai",
        calendar=GOLDEN_WEEK,
        on_day_off="next",
    )
    following = rule.next_after_end(at("2026-09-30T23:30+08:00"))
    assert following is not None
    assert following.due_at == at("2026-10-08T00:30+08:00")
    following = rule.next_after_end(at("2026-10-08T09:00+08:00"))
    assert following is not None
    assert following.due_at == at("2026-10-08T10:00+08:00")


# The clocks of Nuuk leave out 23:00 to 24:00 of a Saturday in March.

NUUK = ZoneInfo("America/Nuuk")
GAP_DAYS = (date(2024, 3, 30), date(2025, 3, 29), date(2026, 3, 28))


def first_minute_from(wall_time: datetime) -> datetime:
    """Return the first minute in which the clocks of Nuuk show that, or are past it."""
    begin = wall_time.replace(tzinfo=UTC)
    minutes = (begin + number * timedelta(minutes=1) for number in range(6 * 60))
    return next(
        one for one in minutes if one.astimezone(NUUK).replace(tzinfo=None) >= wall_time
    )


@pytest.mark.parametrize(("on_day_off", "step"), [("next", 1), ("previous", -1)])
@pytest.mark.parametrize("gap_day", GAP_DAYS)
def test_runs_move_to_and_from_the_hour_before_a_midnight_that_is_left_out(
    on_day_off: str, step: int, gap_day: date
) -> None:
    draw = random.Random(f"{on_day_off} {gap_day}")
    first = gap_day - 5 * DAY
    near = [gap_day + number * DAY for number in range(-30, 31)]
    for _number in range(40):
        free = draw.sample(near[24:37], 7)
        week = Week(frozenset(free), frozenset(set(near) - set(free)))
        weekdays = draw.sample(range(1, 8), 2)
        nominal = {day for day in near if day.isoweekday() in weekdays}
        text = f"30 23 * * {weekdays[0]},{weekdays[1]}"
        rule = cron(text, zone="America/Nuuk", calendar=week, on_day_off=on_day_off)
        begin = datetime.combine(first, time(1), NUUK)
        found = list(rule.moments(begin, before=begin + 10 * DAY))
        due = [one.due_at for one in found if one.is_due]
        days = expected_days(nominal, week, first, 10, step)
        assert due == [
            first_minute_from(datetime.combine(day, time(23, 30))) for day in days
        ]
        inside = [one.moved_to for one in found if one.moved_to]
        assert {to for to in inside if begin < to < begin + 10 * DAY} <= set(due)


def test_a_moment_is_due_or_moved_and_not_both() -> None:
    saturday = date(2026, 3, 28)
    rule = cron("0,30 0,23 * * *", zone="America/Nuuk", on_day_off="next")
    for free in (saturday, saturday + DAY):
        week = Week(frozenset([free]), frozenset({saturday, saturday + DAY} - {free}))
        whole = replace(rule, calendar=week)
        begin = datetime.combine(saturday, time(12), NUUK)
        found = list(whole.moments(begin, before=begin + 2 * DAY))
        apart = [
            one
            for due in (True, False)
            for one in whole.moments(begin, before=begin + 2 * DAY, due=due)
        ]
        assert sorted(apart, key=lambda one: one.due_at) == found
        assert [one.due_at for one in found].count(at("2026-03-29T00:00-01:00")) == 1
        first_due = next(one for one in found if one.is_due)
        assert first_due.due_at == at("2026-03-29T00:00-01:00")
