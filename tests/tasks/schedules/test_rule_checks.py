from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from tasks.errors import InvalidOption
from tasks.schedules.rule import Rule
from tests.tasks.schedules.samples import GOLDEN_WEEK, Only, Week, at, cron

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("settings", "option"),
    [
        ({"kind": "daily"}, "kind"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"expression": "0 0 31 2 *"}, "expression"),
        ({"kind": "every"}, "every"),
        ({"kind": "every", "every": 0.5}, "every"),
        ({"kind": "every", "every": float("nan")}, "every"),
        ({"kind": "every", "every": True}, "every"),
        ({"kind": "after", "every": 10**10}, "every"),
        ({"kind": "once"}, "at"),
        ({"kind": "once", "at": datetime(2026, 1, 1)}, "at"),
        ({"kind": "once", "at": at("2300-01-01T00:00Z")}, "at"),
        ({"starts_at": datetime(2026, 1, 1)}, "starts_at"),
        ({"ends_at": at("1900-01-01T00:00Z")}, "ends_at"),
        ({"on_day_off": "dance"}, "on_day_off"),
    ],
)
def test_a_rule_that_cannot_work_names_the_field(
    settings: dict[str, Any], option: str
) -> None:
    rule = Rule(**{"kind": "cron", "expression": "0 9 * * *", **settings})
    with pytest.raises(InvalidOption) as caught:
        rule.check()
    assert caught.value.option == option


@pytest.mark.parametrize(
    ("settings", "option"),
    [
        ({"kind": "every", "every": -5}, "every"),
        ({"kind": "every", "every": None}, "every"),
        ({"kind": "once"}, "at"),
        ({"kind": "weekly"}, "kind"),
    ],
)
def test_a_rule_that_cannot_work_has_no_moments_at_all(
    settings: dict[str, Any], option: str
) -> None:
    """An interval that runs backwards would be walked for ever."""
    with pytest.raises(InvalidOption) as caught:
        Rule(**settings).count(at("2026-11-21T00:00Z"), at("2026-11-22T00:00Z"))
    assert caught.value.option == option
    with pytest.raises(InvalidOption):
        Rule(**settings).moments(at("2026-11-21T00:00Z"))


def test_a_pause_that_runs_backwards_is_refused() -> None:
    with pytest.raises(InvalidOption):
        Rule(kind="after", every=-5).next_after_end(at("2026-11-21T00:00Z"))


def problem(rule: Rule) -> str:
    with pytest.raises(InvalidOption) as caught:
        rule.check(now=at("2026-09-28T00:00Z"))
    return str(caught.value)


def test_an_end_before_the_beginning_or_before_the_first_moment_is_refused() -> None:
    begin = at("2026-11-21T10:00+08:00")
    early = cron("0 9 * * *", starts_at=begin, ends_at=begin)
    assert problem(early) == "ends_at: must lie after the beginning"
    short = cron("0 9 * * *", starts_at=begin, ends_at=begin + timedelta(hours=1))
    assert problem(short) == "ends_at: leaves no moment between beginning and end"
    cron("0 9 * * *", starts_at=begin, ends_at=begin + DAY).check()
    Rule(kind="after", every=60, starts_at=begin, ends_at=begin + DAY).check()


def test_a_calendar_without_working_days_is_refused() -> None:
    rule = cron("0 9 * * *", calendar=Only(date(2025, 1, 1)))
    assert problem(rule) == "calendar: has no working day within 60 days of 2026-09-28"


def test_a_calendar_that_takes_every_moment_is_refused() -> None:
    expected = "calendar: every moment of the rule falls on a day off"
    assert problem(cron("0 9 * * 6", calendar=Week())) == expected
    weekly = Rule(kind="every", every=7 * 86_400, calendar=Week())
    sunday = at("2026-09-27T00:00Z")
    assert problem(Rule(**{**vars(weekly), "starts_at": sunday})) == expected
    cron("0 9 * * 6", calendar=GOLDEN_WEEK).check(now=at("2026-09-28T00:00Z"))
    cron("0 9 * * 6", calendar=Week(), on_day_off="next").check()


def test_only_expressions_are_moved_over_days_off() -> None:
    for settings, allowed in [
        ({"kind": "every", "every": 60}, "run, skip"),
        ({"kind": "after", "every": 60}, "run, next"),
        ({"kind": "once", "at": at("2026-12-01T00:00Z")}, "run"),
    ]:
        rule = Rule(calendar=Week(), on_day_off="previous", **settings)
        expected = f"on_day_off: must be one of {allowed} here"
        assert problem(rule).startswith(expected)


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [
        ({"kind": "after", "every": 60}, "run, next"),
        ({"kind": "once", "at": at("2030-01-01T00:00Z")}, "run"),
    ],
)
def test_what_cannot_be_skipped_is_told_so(
    settings: dict[str, Any], allowed: str
) -> None:
    reason = "only cron expressions and intervals can be skipped"
    assert problem(Rule(calendar=Week(), on_day_off="skip", **settings)) == (
        f"on_day_off: must be one of {allowed} here: {reason}"
    )


def test_not_every_second_is_moved_over_days_off() -> None:
    dense = cron("*/10 * * * * *", calendar=Week(), on_day_off="next")
    expected = "8,640 times a day are too many to move, at most 1,440 are: skip them"
    assert problem(dense) == f"on_day_off: {expected}"
    cron("* * * * *", calendar=Week(), on_day_off="next").check()


def test_a_rule_that_is_over_may_stay() -> None:
    over = at("2020-01-01T00:00Z")
    cron("0 9 * * *", ends_at=over).check()
    cron("0 9 * * *", ends_at=over, calendar=Week()).check()
    Rule(kind="once", at=over).check()
