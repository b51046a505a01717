from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from tasks.errors import InvalidOption
from tasks.schedules.cron import Cron

BERLIN = ZoneInfo("Europe/Berlin")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")


def next_moments(expression: str, after: str, zone: ZoneInfo, number: int) -> list[str]:
    """Return the moments after one of `zone`, as its clocks show them."""
    begin = datetime.fromisoformat(after).replace(tzinfo=zone)
    found = islice(Cron.parse(expression).after(begin, zone), number)
    return [f"{at.astimezone(zone):%m-%d %H:%M:%S%z}" for at in found]


def refusal(text: object) -> str:
    with pytest.raises(InvalidOption) as caught:
        Cron.parse(text)
    assert caught.value.option == "expression"
    return caught.value.problem


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("0 9 * * 1-5", "0 9 * * 1-5"),
        ("  0\t9  * * mon-fri ", "0 9 * * MON-FRI"),
        ("@daily", "0 0 * * *"),
        ("@Midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("0 9 ? * 2", "0 9 * * 2"),
        ("0 9 1 * ?", "0 9 1 * *"),
        ("0 9 * * FRI-SUN", "0 9 * * FRI-7"),
        ("0 9 * * SUN-SUN", "0 9 * * SUN-SUN"),
        ("5-5/10 0 * * *", "5 0 * * *"),
        ("30,1-1/2 0 * MAR-3/2 SUN-SUN/2", "30,1 0 * MAR SUN"),
        ("*/1 * * * * *", "*/1 * * * * *"),
        ("30 0 9 * * *", "30 0 9 * * *"),
    ],
)
def test_an_expression_is_kept_in_one_form(given: str, kept: str) -> None:
    assert Cron.parse(given).text == kept
    assert Cron.parse(kept).text == kept


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (None, "must be text, such as 0 9 * * 1-5"),
        ("", "is empty: write five fields, such as 0 9 * * 1-5"),
        (" \n ", "is empty: write five fields, such as 0 9 * * 1-5"),
        (
            "* * * * * *",
            "has six fields, of which the first is the second: it would fire every"
            " second. Leave the first * out, or write */1 if that is what you want",
        ),
        (
            "0 0 9 * * ? 2027",
            "has seven fields: leave out the year, and say from when until when",
        ),
        ("0 9 * * *\0", r"'\x00' has no meaning in a cron expression"),
        ("0 9 * * 1，2", "'，' has no meaning in a cron expression"),
        (
            "@reboot",
            "@reboot is not one of @hourly, @daily, @midnight, @weekly, @monthly,"
            " @yearly, @annually",
        ),
        ("@every 5m", "@every is no cron expression: make it an interval"),
        ("0 0 31 2 *", "never fires: no month that it names has such a day"),
        ("0 0 31 4,6,9,11 *", "never fires: no month that it names has such a day"),
        ("0 0 */5 2 1#5", "never fires: no month that it names has such a day"),
    ],
)
def test_what_is_no_expression_brings_the_way_out(given: object, problem: str) -> None:
    assert refusal(given) == problem


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("60 * * * *", "minute: 60 lies outside 0 to 59"),
        ("99 * * * * *", "second: 99 lies outside 0 to 59"),
        ("0 24 * * *", "hour: 24 lies outside 0 to 23"),
        ("0 0 0 * *", "day of the month: 0 lies outside 1 to 31"),
        ("0 0 * 13 *", "month: 13 lies outside 1 to 12"),
        ("0 0 * * 8", "weekday: 8 lies outside 0 to 7"),
        ("0 0 * * MONDAY", "weekday: MONDAY is not a name: write MON"),
        ("0 0 * JANUARY *", "month: JANUARY is not a name: write JAN"),
        (
            "0 0 L/5 * *",
            "day of the month: L/5 has a step, and no day comes after the last: write L",
        ),
        (
            "0 0 1,LW/2 * *",
            "day of the month: LW/2 has a step, and no day comes after the last: write LW",
        ),
        ("0 9 * * FRI-MON", "weekday: FRI-MON runs backwards: write FRI-7,0-MON"),
        ("50-10/5 * * * *", "minute: 50-10/5 runs backwards: write 50-59/5,0-10/5"),
        (
            "*/90 * * * *",
            "minute: a step of 90 does not fit, 1 to 60 do: make longer ones an interval",
        ),
        (
            "*/0 * * * *",
            "minute: a step of 0 does not fit, 1 to 60 do: make longer ones an interval",
        ),
        ("H 3 * * *", "minute: H stands for a random time: use jitter"),
        ("0~30 3 * * *", "minute: 0~30 stands for a random time: use jitter"),
        (
            "0 0 15W * *",
            "day of the month: 15W, the nearest weekday, is unknown: use a calendar"
            " instead",
        ),
        ("? 9 * * *", "minute: ? has no meaning: write 0 to 59, 1-5 or */10"),
        ("0 9,,10 * * *", "hour: a comma needs a value before and after it"),
        (
            "0 0 * FOO *",
            "month: FOO has no meaning: write 1 to 12, JAN to DEC, 1-5 or */2",
        ),
    ],
)
def test_a_wrong_field_is_named(given: str, problem: str) -> None:
    assert refusal(given) == problem


@pytest.mark.parametrize(
    ("number", "said"), [(1, "1 field"), (4, "4 fields"), (8, "8 fields")]
)
def test_another_number_of_fields_is_refused(number: int, said: str) -> None:
    expected = (
        f"has {said} instead of five (minute, hour, day, month, weekday) or six"
        " (second first); a command does not belong here"
    )
    assert refusal(" ".join(["1"] * number)) == expected


def test_a_list_of_ten_kilobytes_is_refused_by_its_length() -> None:
    problem = refusal(",".join(["1"] * 5_000) + " * * * *")
    assert problem.startswith("has 10007 characters, and at most 500 are read: ")


def test_every_minute_and_hour_and_day_may_be_listed() -> None:
    text = " ".join(
        ",".join(map(str, values))
        for values in (range(60), range(24), range(1, 32), range(1, 13))
    )
    assert Cron.parse(f"{text} *").times_a_day == 24 * 60


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
