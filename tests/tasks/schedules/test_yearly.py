from __future__ import annotations

import random
from datetime import date, datetime

import pytest
from dateutil.rrule import rrulestr

from tasks.schedules.yearly import Yearly, read_yearly

FIRST, LAST = date(2016, 1, 1), date(2046, 12, 31)


def rule(text: str, until: date | None = None) -> Yearly:
    parts = dict(part.split("=") for part in text.split(";"))
    return read_yearly({name: value.split(",") for name, value in parts.items()}, until)


def found(text: str, start: date, until: date | None = None) -> list[date]:
    return list(rule(text, until).occurrences(start, FIRST, LAST))


def oracle(text: str, start: date) -> list[date]:
    begin = datetime(start.year, start.month, start.day)
    end = datetime(LAST.year, LAST.month, LAST.day)
    expected = []
    for moment in rrulestr(text, dtstart=begin):
        if moment > end:
            break
        if moment.date() >= FIRST:
            expected.append(moment.date())
    return expected


def random_rule(chance: random.Random) -> str:
    parts = ["FREQ=YEARLY"]
    if chance.random() < 0.4:
        parts.append(f"INTERVAL={chance.randint(1, 4)}")
    if chance.random() < 0.4:
        parts.append(f"COUNT={chance.randint(1, 40)}")
    if chance.random() < 0.6:
        months = chance.sample(range(1, 13), chance.randint(1, 3))
        parts.append(f"BYMONTH={','.join(map(str, months))}")
    kind = chance.random()
    weekdays = chance.sample(["MO", "TU", "WE", "TH", "FR", "SA", "SU"], 2)
    if kind < 0.4:  # dateutil finds nothing where only some have numbers
        numbers = chance.choices(["1", "4", "5", "-1", "-2"], k=2)
        numbers = numbers if chance.random() < 0.7 else ["", ""]
        days = [number + day for number, day in zip(numbers, weekdays, strict=True)]
        parts.append(f"BYDAY={','.join(days)}")
    elif kind < 0.8:
        days = chance.sample([1, 2, 3, 15, 28, 29, 30, 31, -1, -3], 3)
        parts.append(f"BYMONTHDAY={','.join(map(str, days))}")
        if chance.random() < 0.4:
            parts.append(f"BYDAY={','.join(weekdays)}")
    if kind < 0.8 and chance.random() < 0.3:
        parts.append(f"BYSETPOS={chance.choice(['1', '-1', '2', '1,-1'])}")
    return ";".join(parts)


@pytest.mark.parametrize("seed", range(150))
def test_it_falls_on_the_days_that_dateutil_finds(seed: int) -> None:
    chance = random.Random(seed)
    text = random_rule(chance)
    start = date(
        chance.randint(1975, 2030), chance.randint(1, 12), chance.randint(1, 28)
    )
    assert found(text, start) == oracle(text, start), text


def test_weekdays_with_and_without_a_number_may_be_mixed() -> None:
    days = found("FREQ=YEARLY;BYMONTH=2;BYDAY=TU,-1SU;COUNT=5", date(2026, 1, 1))
    assert [day.day for day in days] == [3, 10, 17, 22, 24]


def test_29_february_is_one_of_leap_years_only() -> None:
    assert found("FREQ=YEARLY", date(2020, 2, 29))[:3] == [
        date(2020, 2, 29),
        date(2024, 2, 29),
        date(2028, 2, 29),
    ]


def test_until_is_its_last_day() -> None:
    days = found("FREQ=YEARLY", date(2020, 5, 1), until=date(2022, 5, 1))
    assert days == [date(2020, 5, 1), date(2021, 5, 1), date(2022, 5, 1)]
    assert found("FREQ=YEARLY", date(2020, 5, 1), until=date(2020, 4, 30)) == []


def test_a_rule_of_long_ago_is_followed_from_the_window_on() -> None:
    assert found("FREQ=YEARLY;INTERVAL=7", date(3, 6, 7))[0] == date(2019, 6, 7)


def test_a_count_beyond_all_numbers_of_days_bounds_nothing() -> None:
    start = date(2026, 6, 7)
    assert found(f"FREQ=YEARLY;COUNT={10**30}", start) == found("FREQ=YEARLY", start)


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=WEEKLY;BYDAY=SA",
        "INTERVAL=1",
        "FREQ=YEARLY;BYYEARDAY=100",
        "FREQ=YEARLY;BYHOUR=9",
        "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
        "FREQ=YEARLY;INTERVAL=0",
        "FREQ=YEARLY;COUNT=0",
        "FREQ=YEARLY;COUNT=1,2",
        "FREQ=YEARLY;BYMONTH=13",
        "FREQ=YEARLY;BYMONTH=0",
        "FREQ=YEARLY;BYMONTH=-1",
        "FREQ=YEARLY;BYMONTHDAY=32",
        "FREQ=YEARLY;BYDAY=0MO",
        "FREQ=YEARLY;BYDAY=XX",
        "FREQ=YEARLY;BYMONTHDAY=1;BYDAY=1MO",
        "FREQ=YEARLY;BYSETPOS=0",
    ],
)
def test_what_cannot_be_followed_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be followed"):
        rule(text)
