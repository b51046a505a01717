from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tasks.errors import InvalidOption
from tasks.schedules.holidays_json import read_holidays


def off(value: Any) -> dict[date, str]:
    marks, _weekends = read_holidays(value, "x")
    return marks.off


@pytest.mark.parametrize(
    ("entry", "days"),
    [
        ("2026-01-01", 1),
        (["2026-01-01", "2026-01-03"], 3),
        ({"date": "2026-01-01", "label": "New Year"}, 1),
        ({"from": "2026-01-01", "to": "2026-01-02", "label": "New Year"}, 2),
        ({"from": "2026-01-01"}, 1),
    ],
)
def test_an_entry_is_a_day_or_a_range(entry: Any, days: int) -> None:
    found = off({"off": [entry]})
    assert sorted(found) == [date(2026, 1, 1 + number) for number in range(days)]
    label = entry.get("label", "") if isinstance(entry, dict) else ""
    assert set(found.values()) == {label}


def test_a_list_alone_is_off() -> None:
    assert off(["2026-01-01"]) == {date(2026, 1, 1): ""}


def test_several_years_of_holiday_cn_are_one_calendar() -> None:
    days = [{"name": "元旦", "date": "2026-01-01", "isOffDay": True}]
    more = [{"name": "元旦", "date": "2027-01-04", "isOffDay": False}]
    marks, weekends = read_holidays([{"days": days}, {"year": 2027, "days": more}], "x")
    assert marks.off == {date(2026, 1, 1): "元旦"}
    assert marks.work == {date(2027, 1, 4): "元旦"}
    assert weekends == {5, 6}


def test_the_days_of_holiday_cn_alone_are_off_or_worked() -> None:
    days = [
        {"name": "元旦", "date": "2026-01-01", "isOffDay": True},
        {"name": "元旦", "date": "2026-01-04", "isOffDay": False},
    ]
    marks, _weekends = read_holidays(days, "x")
    assert marks.off == {date(2026, 1, 1): "元旦"}
    assert marks.work == {date(2026, 1, 4): "元旦"}


@pytest.mark.parametrize(
    "value",
    [
        {"off": [{"date": "2026-01-01", "label": None}]},
        {"days": [{"date": "2026-01-01", "name": None, "isOffDay": True}]},
        {"events": [{"date": "2026-01-01", "title": None}]},
    ],
)
def test_a_label_may_be_null(value: Any) -> None:
    assert off(value) == {date(2026, 1, 1): ""}


def test_one_division_of_gov_uk_alone() -> None:
    value = {"division": "scotland", "events": [{"title": "a", "date": "2026-01-02"}]}
    assert off(value) == {date(2026, 1, 2): "a"}


@pytest.mark.parametrize(
    ("value", "weekdays"),
    [
        (True, {5, 6}),
        (False, set()),
        ([], set()),
        ([6], {6}),
        (["fri", "Saturday"], {4, 5}),
    ],
)
def test_weekends(value: Any, weekdays: set[int]) -> None:
    assert read_holidays({"off": [], "weekends": value}, "x")[1] == weekdays


def test_labels_are_one_line_that_a_database_keeps() -> None:
    label = "a\0\n  b" + "c" * 300
    found = off({"off": [{"date": "2026-01-01", "label": label}]})
    assert found == {date(2026, 1, 1): "a b" + "c" * 197}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (1, "must be a JSON object with “off” and “work”"),
        (
            {"offf": []},
            "“offf” is not known in a calendar. Did you mean off?",
        ),
        ({"xyz": []}, "“xyz” is not known in a calendar."),
        ({"off": {}}, "off: must be a list"),
        ({"off": ["2026-1-1"]}, "off[0]: '2026-1-1' is no date such as 2026-01-31"),
        ({"off": ["2026-02-30"]}, "off[0]: '2026-02-30' is no date such as 2026-01-31"),
        ({"work": [5]}, "work[0]: 5 is no date such as 2026-01-31"),
        ({"off": [{}]}, "off[0]: None is no date such as 2026-01-31"),
        (
            {"off": [["2026-01-01"]]},
            "off[0]: a range is [first day, last day]",
        ),
        (
            {"off": [["2026-01-02", "2026-01-01"]]},
            "off[0]: the last day comes before the first",
        ),
        (
            {"off": ["2026-01-01"], "work": ["2026-01-01"]},
            "2026-01-01 is both off and worked",
        ),
        (
            {"weekends": "sat"},
            "weekends: must be a list of weekdays, true or false",
        ),
        (
            {"weekends": [7]},
            "weekends: a weekday is 0 (Monday) to 6, or its English name",
        ),
        (
            {"weekends": ["so"]},
            "weekends: a weekday is 0 (Monday) to 6, or its English name",
        ),
        (
            {"weekends": [True]},
            "weekends: a weekday is 0 (Monday) to 6, or its English name",
        ),
        (
            {"weekends": [0, 1, 2, 3, 4, 5, 6]},
            "weekends: no weekday is left to work on",
        ),
        ({"days": [{}]}, "days[0]: it has no “date”"),
        ({"days": ["2026-01-01"]}, "days[0]: it has no “date”"),
        ({"days": [{"date": "2026-01-01"}]}, "days[0]: it has no “isOffDay”"),
        (
            {"days": [{"date": "2026-01-01", "isOffDay": "no"}]},
            "days[0]: isOffDay must be true or false",
        ),
        ({"division": "x", "events": [{"title": ""}]}, "events[0]: it has no “date”"),
        (
            {"scotland": {"events": [{"date": "x"}]}},
            "scotland.events[0]: 'x' is no date such as 2026-01-31",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(value: Any, problem: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        read_holidays(value, "x")
    assert caught.value.problem == problem
