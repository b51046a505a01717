from __future__ import annotations

from datetime import datetime

import pytest

from tasks.schedules.cron import Cron
from tasks.schedules.rule import Rule
from tasks.schedules.words import describe, notes


def words(expression: str) -> str:
    return describe(Rule(kind="cron", expression=expression))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 9 * * 1-5", "At 09:00, Monday to Friday"),
        ("0 9 * * *", "Every day at 09:00"),
        ("@daily", "Every day at 00:00"),
        ("30 0 9 * * *", "Every day at 09:00:30"),
        ("0 9,17 * * MON,WED", "At 09:00 and 17:00, Monday and Wednesday"),
        ("0 0,8,16 * * *", "Every day at 00:00, 08:00 and 16:00"),
        ("0 9 * * 7", "At 09:00, every Sunday"),
        ("0 9 * * 0,6", "At 09:00, Saturday and Sunday"),
        ("0 9 * * FRI-SUN", "At 09:00, Friday to Sunday"),
        ("0 9 * * 0-6", "Every day at 09:00"),
    ],
)
def test_times_of_a_day(expression: str, expected: str) -> None:
    assert words(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("* * * * *", "Every minute"),
        ("*/5 * * * *", "Every 5 minutes"),
        ("0,30 * * * *", "Every 30 minutes"),
        ("3-59/5 * * * *", "Every 5 minutes from 00:03 to 23:58"),
        ("*/5 9-17 * * 1-5", "Every 5 minutes from 09:00 to 17:55, Monday to Friday"),
        ("10-30/5 9 * * *", "Every 5 minutes from 09:10 to 09:30"),
        ("@hourly", "Every hour"),
        ("15 * * * *", "At minute 15 of every hour"),
        ("15,45 * * * *", "At minutes 15 and 45 of every hour"),
        ("1-5 * * * *", "At minutes 1 to 5 of every hour"),
        ("0 */2 * * *", "Every 2 hours"),
        ("15 */2 * * *", "Every 2 hours from 00:15 to 22:15"),
        ("30 9-17 * * 1-5", "Every hour from 09:30 to 17:30, Monday to Friday"),
        ("*/1 * * * * *", "Every second"),
        ("*/10 * * * * *", "Every 10 seconds"),
        ("*/5 * 1 * *", "Every 5 minutes on day 1 of the month"),
    ],
)
def test_periods_within_a_day(expression: str, expected: str) -> None:
    assert words(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("30 3 1 * *", "At 03:30 on day 1 of the month"),
        ("30 3 1,15 * *", "At 03:30 on days 1 and 15 of the month"),
        ("30 3 1-7 * *", "At 03:30 on days 1 to 7 of the month"),
        ("@yearly", "At 00:00 on day 1 of January"),
        ("0 0 1,2 1,7 *", "At 00:00 on days 1 and 2 of January and July"),
        ("0 0 L * *", "At 00:00 on the last day of the month"),
        ("0 0 L 2 *", "At 00:00 on the last day of February"),
        ("0 0 LW * *", "At 00:00 on the last weekday (Mon–Fri) of the month"),
        ("0 9 * * 1#1", "At 09:00 on the first Monday of the month"),
        ("0 9 * * 0#5", "At 09:00 on the fifth Sunday of the month"),
        ("0 9 * * 5L", "At 09:00 on the last Friday of the month"),
        ("0 9 * 3 1#1", "At 09:00 on the first Monday of March"),
        ("0 9 1 3 1", "At 09:00 on day 1 of March or every Monday in March"),
        ("0 9 * 1 *", "At 09:00, every day in January"),
        ("0 9 * 3-5 6", "At 09:00, every Saturday in March to May"),
        ("0 0 13 * 5", "At 00:00 on day 13 of the month or every Friday"),
        ("0 0 1-31 * 1", "Every day at 00:00"),
    ],
)
def test_dates_and_months(expression: str, expected: str) -> None:
    assert words(expression) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "*/7 * * * *",
        "*/15 9,15 * * *",
        "10-30/5 9-17 * * *",
        "0 0 */2 * *",
        "0 0 L,15 * *",
        "0 0 */2 * MON",
        "0 9 * * 1#1,3#1",
        "0 9 * * 1,5L",
        "*/7 * * * * *",
        "*/10 0 9 * * *",
        "0 0 1,3,5,7,9,11,13 * *",
        "30 */5 9 * * *",
    ],
)
def test_what_cannot_be_said_shortly_stays_an_expression(expression: str) -> None:
    assert words(expression.lower()) == expression


@pytest.mark.parametrize(
    ("kind", "seconds", "expected"),
    [
        ("every", 90, "Every 90 seconds, from start to start"),
        ("every", 1, "Every second, from start to start"),
        ("every", 300, "Every 5 minutes, from start to start"),
        ("every", 7_200, "Every 2 hours, from start to start"),
        ("every", 86_400, "Every 24 hours, from start to start"),
        ("every", 604_800, "Every 7 days, from start to start"),
        ("every", 1.5, "Every 1.5 seconds, from start to start"),
        ("every", 1_234_567, "Every 1,234,567 seconds, from start to start"),
        ("after", 1, "1 second after the end of the last run"),
        ("after", 90, "90 seconds after the end of the last run"),
        ("after", 60, "1 minute after the end of the last run"),
    ],
)
def test_intervals(kind: str, seconds: float, expected: str) -> None:
    assert describe(Rule(kind=kind, every=seconds)) == expected


def test_one_moment_is_told_in_its_zone() -> None:
    moment = datetime.fromisoformat("2026-12-01T01:00Z")
    rule = Rule(kind="once", at=moment, zone="Asia/Shanghai")
    assert describe(rule) == "Once, 2026-12-01 09:00"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 9 * * 1-5", []),
        ("30 0 9 * * *", ["The first of the six fields is the second."]),
        (
            "0 0 13 * 5",
            ["It fires where the day of the month or the weekday matches."],
        ),
        (
            "0 0 */2 * 5",
            ["It fires where the day of the month and the weekday match."],
        ),
    ],
)
def test_what_differs_from_other_dialects_is_noted(
    expression: str, expected: list[str]
) -> None:
    assert notes(Cron.parse(expression)) == expected
