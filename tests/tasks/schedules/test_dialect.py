"""What is taken for a cron expression, and what is refused with the way out."""

from __future__ import annotations

import pytest

from tasks.errors import InvalidOption
from tasks.schedules.cron import Cron


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
