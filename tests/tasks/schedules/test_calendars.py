from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from tasks.errors import InvalidOption
from tasks.schedules.calendars import Days, read_calendar

FILES = Path(__file__).parent / "files"
TODAY = date(2026, 11, 21)

NEW_YEAR = date(2026, 1, 1)
SATURDAY, SUNDAY, MONDAY = date(2026, 1, 10), date(2026, 1, 11), date(2026, 1, 12)


def read(name: str, calendar: str = "Holidays") -> Days:
    return read_calendar((FILES / name).read_bytes(), calendar, TODAY)


def refused(data: bytes | str) -> str:
    with pytest.raises(InvalidOption) as caught:
        read_calendar(data.encode() if isinstance(data, str) else data, "x", TODAY)
    assert caught.value.option == "calendar"
    return caught.value.problem


def test_weekends_are_off_and_weekdays_worked() -> None:
    days = Days("plain")
    assert [days.is_working(day) for day in (SATURDAY, SUNDAY, MONDAY)] == [
        False,
        False,
        True,
    ]


def test_a_day_named_goes_before_its_weekday() -> None:
    days = Days("named", off={MONDAY: "Holiday"}, work={SATURDAY: "Make-up"})
    assert not days.is_working(MONDAY)
    assert days.is_working(SATURDAY)


def test_around_the_clock_there_are_no_weekends() -> None:
    days = Days("always", off={NEW_YEAR: ""}, weekends=frozenset())
    assert days.is_working(SUNDAY)
    assert not days.is_working(NEW_YEAR)


def test_it_says_why() -> None:
    days = Days("named", off={MONDAY: "Holiday"}, work={SATURDAY: "春节（班）"})
    assert days.why(MONDAY) == "Holiday"
    assert days.why(SATURDAY) == "春节（班）"
    assert days.why(SUNDAY) == "weekend"
    assert days.why(date(2026, 1, 13)) == ""


def test_a_day_without_a_label_has_a_word_still() -> None:
    days = Days("bare", off={MONDAY: ""}, work={SATURDAY: ""})
    assert days.why(MONDAY) == "day off"
    assert days.why(SATURDAY) == "make-up working day"


def test_the_next_and_the_previous_working_day() -> None:
    days = Days("named", off={MONDAY: ""}, work={date(2026, 1, 4): ""})
    assert days.next_working(SATURDAY) == date(2026, 1, 13)
    assert days.previous_working(SUNDAY) == date(2026, 1, 9)
    assert days.previous_working(date(2026, 1, 5)) == date(2026, 1, 4)
    assert days.next_working(date(2026, 1, 13)) == date(2026, 1, 14)


def test_without_a_working_day_in_a_year_there_is_none() -> None:
    days = Days("never", weekends=frozenset(range(7)))
    assert days.next_working(NEW_YEAR) is None
    assert days.previous_working(NEW_YEAR) is None


@pytest.mark.parametrize("fold", [b"\r\n ", b"\n\t"])
def test_a_line_may_be_folded_inside_a_character(fold: bytes) -> None:
    lines = ["BEGIN:VCALENDAR", "BEGIN:VEVENT", "DTSTART;VALUE=DATE:20261001"]
    lines += ["SUMMARY:国庆节", "END:VEVENT", "END:VCALENDAR", ""]
    head, tail = "庆".encode()[:1], "庆".encode()[1:]
    data = "\r\n".join(lines).encode().replace(head + tail, head + fold + tail)
    assert read_calendar(data, "x", TODAY).off == {date(2026, 10, 1): "国庆节"}


def test_its_json_is_read_back() -> None:
    days = Days(
        "a", {MONDAY: "Holiday", SUNDAY: ""}, {SATURDAY: "班"}, frozenset({4, 5})
    )
    written = json.dumps(days.to_json())
    assert Days.from_json(json.loads(written)) == days
    assert read_calendar(written.encode(), "a", TODAY) == days
    assert hash(days) == hash(Days.from_json(json.loads(written)))


# Files as they are published.


def test_the_chinese_holidays_of_apple() -> None:
    days = read("apple_cn.ics")
    assert days.why(date(2026, 2, 17)) == "春节（休）"
    assert days.is_working(date(2026, 2, 14))  # a Saturday, and Valentine's Day
    assert days.why(date(2026, 2, 28)) == "春节（班）"
    assert days.is_working(date(2026, 10, 8))
    assert not days.is_working(date(2026, 10, 7))
    assert days.is_working(date(2026, 2, 4)), "a solar term"
    assert days.is_working(date(2026, 3, 3)), "a festival that nobody has off"
    assert (len(days.off), len(days.work)) == (19, 5)


def test_the_chinese_holidays_of_google() -> None:
    days = read("google_cn.ics")
    assert days.is_working(date(2026, 2, 14))
    assert not days.is_working(date(2026, 2, 17))
    assert days.is_working(date(2026, 3, 3)), "an observance"
    assert (len(days.off), len(days.work)) == (3, 2)


def test_the_calendar_of_holiday_cn() -> None:
    days = read("holiday_cn.ics")
    assert days.why(date(2026, 1, 4)) == "上班(补元旦假期)"
    assert not days.is_working(date(2026, 2, 23))
    assert (len(days.off), len(days.work)) == (12, 2)


def test_the_bank_holidays_of_gov_uk() -> None:
    days = read("gov_uk.ics")
    assert days.why(date(2026, 12, 28)) == "Boxing Day"
    assert days.why(NEW_YEAR) == "New Year\u2019s Day"
    assert (len(days.off), len(days.work)) == (8, 0)


def test_the_json_of_holiday_cn_and_its_calendar_agree() -> None:
    from_json, from_ics = read("holiday_cn_2026.json"), read("holiday_cn.ics")
    assert from_json.off.keys() == from_ics.off.keys()
    assert from_json.work.keys() == {*from_ics.work, date(2026, 2, 28)}


def test_the_json_of_gov_uk_is_read_for_the_division_in_the_name() -> None:
    england = read("gov_uk.json", "England and Wales (2026)")
    assert england.why(date(2026, 12, 28)) == "Boxing Day"
    assert read("gov_uk.json", "scotland").why(date(2026, 1, 2)) == "2nd January"
    with pytest.raises(InvalidOption, match="name the calendar after one of them"):
        read("gov_uk.json", "Holidays")


# Files that are refused.


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("", "is neither an ICS file nor JSON"),
        ("date;name\n2026-01-01;New Year", "is neither an ICS file nor JSON"),
        ("  <!doctype html>", "is a web page: give the file that its link leads to"),
        ('{"off": ', "is no JSON: Expecting value: line 1 column 9 (char 8)"),
        ('{"off": []}', "names no dates"),
        ("BEGIN:VCALENDAR\nEND:VCALENDAR\n", "names no dates"),
        ('{"off": ["1969-12-31"]}', "1969-12-31 does not lie within 1970 to 2100"),
        ('{"off": ["2101-01-01"]}', "2101-01-01 does not lie within 1970 to 2100"),
        (
            '{"off": [["2100-12-31", "2101-01-01"]]}',
            "2101-01-01 does not lie within 1970 to 2100",
        ),
        ('{"off": [["1990-01-01", "2020-01-01"]]}', "names more than 10,000 days"),
        ("春节".encode("gbk"), "is not text in UTF-8, which begins to fail at byte 0"),
        (b"\xff\xfeB\0", "is not text in UTF-8, which begins to fail at byte 0"),
        (b" " * (1 << 20) + b"{", "is larger than 1 MB"),
    ],
)
def test_what_is_no_calendar_is_refused(data: bytes | str, problem: str) -> None:
    assert refused(data) == problem


def test_a_byte_order_mark_and_blanks_are_left_out() -> None:
    data = b'\xef\xbb\xbf \r\n{"off": ["2026-01-01"]}'
    assert set(read_calendar(data, "x", TODAY).off) == {NEW_YEAR}


def test_a_calendar_may_name_other_weekends_only() -> None:
    days = read_calendar(b'{"weekends": ["friday", "saturday"]}', "Gulf", TODAY)
    assert days.is_working(SUNDAY)
    assert not days.is_working(date(2026, 1, 9))


def test_the_limit_of_days_counts_days_once() -> None:
    ranges = [["1990-01-01", "2017-05-01"]] * 5
    assert len(read_calendar(json.dumps(ranges).encode(), "x", TODAY).off) == 9983
    ranges *= 3
    assert refused(json.dumps(ranges)) == "names more than 10,000 days"
