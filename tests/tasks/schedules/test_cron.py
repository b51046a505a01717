from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from tasks.schedules.cron import Cron

BERLIN = ZoneInfo("Europe/Berlin")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")


def next_moments(expression: str, after: str, zone: ZoneInfo, number: int) -> list[str]:
    """Return the moments after one of `zone`, as its clocks show them."""
    begin = datetime.fromisoformat(after).replace(tzinfo=zone)
    found = islice(Cron.parse(expression).after(begin, zone), number)
    return [f"{at.astimezone(zone):%m-%d %H:%M:%S%z}" for at in found]


@pytest.mark.parametrize("sunday", ["0", "7", "SUN", "sun"])
def test_sunday_has_two_numbers_and_a_name(sunday: str) -> None:
    found = next_moments(f"0 9 * * {sunday}", "2026-11-21T12:00", BERLIN, 2)
    assert found == ["11-22 09:00:00+0100", "11-29 09:00:00+0100"]


def test_a_range_of_one_value_is_that_value() -> None:
    for expression, days in [
        ("0 0 * * SUN-SUN", ["11-22", "11-29"]),
        ("0 0 5-5/10 * *", ["12-05", "01-05"]),
        ("0 0 * * MON-1/2", ["11-23", "11-30"]),
    ]:
        found = next_moments(expression, "2026-11-21T12:00", BERLIN, 2)
        assert [moment[:5] for moment in found] == days, expression


def test_a_date_or_a_weekday_is_enough_unless_one_begins_with_a_star() -> None:
    both = next_moments("0 0 13 * FRI", "2026-11-07T12:00", BERLIN, 3)
    assert [moment[:5] for moment in both] == ["11-13", "11-20", "11-27"]
    each = next_moments("0 0 */13 * FRI", "2026-11-01T12:00", BERLIN, 2)
    assert [moment[:5] for moment in each] == ["11-27", "01-01"]


def test_special_days_are_understood() -> None:
    for expression, days in [
        ("0 0 L * *", ["11-30", "12-31", "01-31"]),
        ("0 0 LW * *", ["11-30", "12-31", "01-29"]),
        ("0 0 * * 5L", ["11-27", "12-25", "01-29"]),
        ("0 0 * * 1#1", ["12-07", "01-04", "02-01"]),
    ]:
        found = next_moments(expression, "2026-11-21T12:00", BERLIN, 3)
        assert [moment[:5] for moment in found] == days, expression


def test_a_moment_is_strictly_after_the_last_one() -> None:
    cron = Cron.parse("0 9 * * *")
    due_at = datetime(2026, 11, 21, 9, tzinfo=UTC)
    tick = timedelta(microseconds=1)
    utc = ZoneInfo("UTC")
    assert next(cron.after(due_at - tick, utc)) == due_at
    assert next(cron.after(due_at, utc)) == due_at + timedelta(days=1)


def test_a_time_that_the_clocks_leave_out_fires_after_the_gap() -> None:
    expected = ["03-29 03:00:00+0200", "03-30 02:30:00+0200"]
    for expression in ("30 2 * * *", "0 30 2 * * *"):
        found = next_moments(expression, "2026-03-28T12:00", BERLIN, 2)
        assert found == expected, expression


def test_all_that_falls_into_a_gap_fires_once() -> None:
    found = next_moments("0,30 2,3 * * *", "2026-03-28T12:00", BERLIN, 3)
    assert found == [
        "03-29 03:00:00+0200",
        "03-29 03:30:00+0200",
        "03-30 02:00:00+0200",
    ]


def test_a_time_that_comes_twice_fires_the_first_time() -> None:
    expected = ["10-25 02:30:00+0200", "10-26 02:30:00+0100"]
    for expression in ("30 2 * * *", "0 30 2 * * *"):
        found = next_moments(expression, "2026-10-24T12:00", BERLIN, 2)
        assert found == expected, expression
        between = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)
        following = next(Cron.parse(expression).after(between, BERLIN))
        assert following == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_a_star_for_seconds_means_each_real_moment_as_well() -> None:
    expression = "*/30 30 2 * * *"
    assert next_moments(expression, "2026-10-24T12:00", BERLIN, 4) == [
        "10-25 02:30:00+0200",
        "10-25 02:30:30+0200",
        "10-25 02:30:00+0100",
        "10-25 02:30:30+0100",
    ]
    spring = next_moments(expression, "2026-03-28T12:00", BERLIN, 1)
    assert spring == ["03-30 02:30:00+0200"]


def test_a_moment_after_a_gap_is_counted_from_that_moment_on() -> None:
    cron = Cron.parse("30 2 * * *")
    begin = datetime(2026, 3, 28, 12, tzinfo=UTC)
    change = datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert cron.count(begin, change, BERLIN) == 1
    assert cron.count(begin, change - timedelta(microseconds=1), BERLIN) == 0
    assert cron.count(change, change + timedelta(hours=20), BERLIN) == 0


def test_what_cronsim_leaves_out_where_clocks_go_back_by_half_an_hour_fires() -> None:
    found = next_moments("35 * * * *", "2026-04-05T00:40", LORD_HOWE, 3)
    assert found == [
        "04-05 01:35:00+1100",
        "04-05 01:35:00+1030",
        "04-05 02:35:00+1030",
    ]


def test_on_a_day_that_does_not_exist_nothing_fires() -> None:
    found = next_moments("0 9 * * *", "2011-12-29T08:00", ZoneInfo("Pacific/Apia"), 2)
    assert found == ["12-29 09:00:00-1000", "12-31 09:00:00+1400"]


def random_field(draw: random.Random, least: int, most: int) -> str:
    first, last = sorted(draw.choices(range(least, most + 1), k=2))
    step = draw.randint(1, most - least)
    return draw.choice(
        ["*", f"*/{step}", f"{first}", f"{first}-{last}", f"{first},{last}"]
    )


def random_expression(draw: random.Random) -> str:
    """Return six fields, of which the first is not *."""
    limits = [(0, 59), (0, 23), (1, 28), (1, 12), (0, 7)]
    second = random_field(draw, 0, 59).removesuffix("*") or "*/1"
    return " ".join([second, *(random_field(draw, *pair) for pair in limits)])


def test_without_changes_of_clocks_cronsim_says_the_same() -> None:
    draw = random.Random(5)
    utc = ZoneInfo("UTC")
    for _number in range(300):
        expression = random_expression(draw)
        begin = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(
            seconds=draw.randrange(10 * 365 * 86_400)
        )
        expected = list(islice(CronSim(expression, begin), 40))
        found = list(islice(Cron.parse(expression).after(begin, utc), 40))
        assert found == expected, expression
        counted = Cron.parse(expression).count(begin, expected[-1], utc)
        assert counted == 40, expression


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [
        ("*/1 * * * * *", 1),
        ("* * * * *", 60),
        ("*/7 * * * *", 4 * 60),
        ("0 9,17 * * *", 8 * 3600),
        ("0 0 * * MON,FRI", 3 * 86_400),
        ("0 0 29 2 1", 86_400),
        ("0 0 1 1 *", 365 * 86_400),
    ],
)
def test_the_shortest_gap_is_found(expression: str, seconds: int) -> None:
    assert Cron.parse(expression).shortest_gap() == timedelta(seconds=seconds)


def test_what_fires_once_in_fifty_years_has_a_gap_as_long() -> None:
    gap = Cron.parse("0 0 29 2 */7").shortest_gap()
    assert gap >= timedelta(days=28 * 365)
