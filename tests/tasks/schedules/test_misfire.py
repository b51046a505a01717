from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from tasks.schedules.days_off import Moment
from tasks.schedules.misfire import MOST_LISTED, MOST_ON_TIME, Decision, Policy, decide
from tasks.schedules.rule import Rule
from tests.tasks.schedules.samples import GOLDEN_WEEK, at, cron

NOW = at("2026-11-21T12:00:30Z")
HOURLY = cron("0 * * * *", zone="UTC")
EACH_SECOND = Rule(kind="every", every=1)
HOUR, WEEK, TICK = timedelta(hours=1), timedelta(days=7), timedelta(microseconds=1)


def told(decisions: list[Decision]) -> list[str]:
    """Return each decision as its hour, verdict, reason and count, without the usual."""
    return [
        " ".join(
            [
                f"{one.moment.due_at:%H}",
                one.verdict,
                *([one.reason] if one.reason else []),
                *([f"×{one.count}"] if one.count > 1 else []),
            ]
        )
        for one in decisions
    ]


def hourly(since: str, **policy: Any) -> list[str]:
    return told(decide(HOURLY, at(since), NOW, Policy(**policy)))


def test_nothing_passed_nothing_is_decided() -> None:
    assert hourly("2026-11-21T12:00Z") == []


def test_a_moment_within_the_grace_runs_whatever_the_policy() -> None:
    for misfire in ("skip", "once", "all"):
        assert hourly("2026-11-21T11:00Z", misfire=misfire) == ["12 run"]


def test_the_grace_includes_its_last_moment() -> None:
    grace = timedelta(seconds=30)
    assert hourly("2026-11-21T11:00Z", grace=grace) == ["12 run"]
    assert hourly("2026-11-21T11:00Z", grace=grace - TICK) == ["12 late"]


def test_skip_runs_none_of_those_that_passed() -> None:
    expected = ["09 missed policy", "10 missed policy", "11 missed policy", "12 run"]
    assert hourly("2026-11-21T08:00Z", misfire="skip") == expected


def test_once_runs_the_newest() -> None:
    expected = ["09 missed stands_for", "10 missed stands_for", "11 late", "12 run"]
    assert hourly("2026-11-21T08:00Z", misfire="once") == expected


def test_all_runs_the_newest_as_many_as_may() -> None:
    expected = ["09 late", "10 late", "11 late", "12 run"]
    assert hourly("2026-11-21T08:00Z", misfire="all") == expected
    expected[0] = "09 missed too_many"
    assert hourly("2026-11-21T08:00Z", misfire="all", most=2) == expected
    none = [f"{hour:02} missed too_many" for hour in (9, 10, 11)]
    assert hourly("2026-11-21T08:00Z", misfire="all", most=0) == [*none, "12 run"]


def test_what_is_too_old_does_not_run_late() -> None:
    age = timedelta(hours=2, seconds=30)
    expected = ["09 missed too_old", "10 late", "11 late", "12 run"]
    assert hourly("2026-11-21T08:00Z", misfire="all", age=age) == expected
    expected = ["09 missed too_old", "10 missed too_old", "11 late", "12 run"]
    assert hourly("2026-11-21T08:00Z", misfire="all", age=age - TICK) == expected
    once = hourly("2026-11-21T08:00Z", misfire="once", age=timedelta(minutes=5))
    assert once == [*(f"{hour:02} missed too_old" for hour in (9, 10, 11)), "12 run"]


def test_an_age_within_the_grace_takes_nothing_from_it() -> None:
    age = timedelta(seconds=10)
    assert hourly("2026-11-21T11:00Z", misfire="all", age=age) == ["12 run"]


def test_days_off_are_told_beside_what_runs() -> None:
    rule = cron("0 9 * * 4,5", calendar=GOLDEN_WEEK, on_day_off="next")
    found = decide(rule, at("2026-09-30T00:00Z"), at("2026-10-08T01:00Z"), Policy())
    assert [(one.moment.due_at.day, one.verdict, one.reason) for one in found] == [
        (1, "excluded", "moved"),
        (2, "excluded", "moved"),
        (8, "run", ""),
    ]
    skipping = cron("0 9 1 10 *", calendar=GOLDEN_WEEK)
    found = decide(skipping, at("2026-09-30T00:00Z"), at("2026-10-08T01:00Z"), Policy())
    assert [(one.verdict, one.reason) for one in found] == [("excluded", "day_off")]


def verdict_of(
    moment: Moment, passed: list[Moment], now: datetime, policy: Policy
) -> str:
    """Decide one moment as the words of the policies say, by looking at all of them."""
    if not moment.is_due:
        return "excluded"
    if now - moment.due_at <= policy.grace:
        return "run"
    young = [
        one
        for one in passed
        if one.is_due and now - one.due_at > policy.grace
        if policy.age is None or now - one.due_at <= policy.age
    ]
    most = {"skip": 0, "once": 1, "all": policy.most}[policy.misfire]
    return "late" if moment in young[max(0, len(young) - most) :] else "missed"


RULES = [
    HOURLY,
    cron("*/10 * * * *", calendar=GOLDEN_WEEK),
    cron("0 9,17 * * *", calendar=GOLDEN_WEEK, on_day_off="next"),
    Rule(kind="every", every=601.5),
]


@pytest.mark.parametrize("rule", RULES, ids=range(len(RULES)))
def test_each_moment_is_decided_once_as_the_policy_says(rule: Rule) -> None:
    draw = random.Random(11)
    for _number in range(30):
        begin = at("2026-09-28T00:00Z") + draw.randrange(12 * 86_400) * timedelta(
            seconds=1
        )
        now = begin + draw.randrange(4 * 86_400) * timedelta(seconds=1)
        policy = Policy(
            misfire=draw.choice(["skip", "once", "all"]),
            most=draw.choice([0, 1, 3, 100]),
            age=draw.choice([None, HOUR, timedelta(days=2)]),
            grace=draw.choice([timedelta(), timedelta(seconds=60), 3 * HOUR]),
        )
        passed = list(rule.moments(begin, before=now + TICK))
        expected = [(one, verdict_of(one, passed, now, policy), 1) for one in passed]
        decided = decide(rule, begin, now, policy)
        assert [(one.moment, one.verdict, one.count) for one in decided] == expected


# Long outages.


def of(decisions: list[Decision], verdict: str) -> list[Decision]:
    return [one for one in decisions if one.verdict == verdict]


def test_a_week_of_seconds_is_a_thousand_rows_and_a_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Moment] = []
    usual = Moment.__init__

    def count(self: Moment, *args: Any, **kwargs: Any) -> None:
        made.append(self)
        usual(self, *args, **kwargs)

    monkeypatch.setattr(Moment, "__init__", count)
    by_cron = cron("*/1 * * * * *", zone="UTC")
    working = cron("*/1 * * * * *", calendar=GOLDEN_WEEK)  # now is a Saturday
    for rule, on_time in ((EACH_SECOND, 61), (by_cron, 61), (working, 0)):
        decisions = decide(rule, NOW - WEEK, NOW, Policy(misfire="all", most=50))
        assert sum(one.count for one in decisions) == WEEK.total_seconds()
        assert len(of(decisions, "missed")) == MOST_LISTED
        assert len(of(decisions, "late")) == 50
        assert len(of(decisions, "run")) == on_time
        assert len(of(decisions, "excluded")) <= 1
    assert len(made) < 20_000


def test_the_first_row_stands_for_all_before_it() -> None:
    decisions = decide(EACH_SECOND, NOW - HOUR, NOW, Policy(misfire="skip"))
    missed = of(decisions, "missed")
    assert len(missed) == MOST_LISTED
    assert missed[0].count == 3_600 - 61 - 999
    assert missed[0].moment.due_at == NOW - timedelta(seconds=61 + 999)
    assert {one.count for one in missed[1:]} == {1}
    assert missed[-1].moment.due_at == NOW - timedelta(seconds=61)


def test_what_is_too_old_and_what_is_too_many_are_counted_apart() -> None:
    policy = Policy(misfire="all", most=10, age=HOUR)
    missed = of(decide(EACH_SECOND, NOW - 2 * HOUR, NOW, policy), "missed")
    assert len(missed) == MOST_LISTED
    too_old = sum(one.count for one in missed if one.reason == "too_old")
    too_many = sum(one.count for one in missed if one.reason == "too_many")
    assert (too_old, too_many) == (3_599, 3_601 - 61 - 10)


def test_a_wide_grace_is_decided_part_by_part() -> None:
    policy = Policy(misfire="skip", grace=HOUR)
    first = decide(EACH_SECOND, NOW - HOUR, NOW, policy)
    assert [one.verdict for one in first] == ["run"] * MOST_ON_TIME
    cursor = first[-1].moment.due_at
    assert cursor == NOW - HOUR + timedelta(seconds=MOST_ON_TIME)
    following = decide(EACH_SECOND, cursor, NOW, policy)
    assert following[0].moment.due_at == cursor + timedelta(seconds=1)


def test_days_off_beyond_a_part_are_left_to_the_next() -> None:
    rule = cron("*/1 * * * * *", calendar=GOLDEN_WEEK)
    friday, saturday = at("2026-11-20T23:40+08:00"), at("2026-11-21T00:30+08:00")
    first = decide(rule, friday, saturday, Policy(grace=HOUR))
    assert [one.verdict for one in first] == ["run"] * MOST_ON_TIME
    rest = decide(rule, first[-1].moment.due_at, saturday, Policy(grace=HOUR))
    assert sum(one.count for one in rest) == 50 * 60 - MOST_ON_TIME
    assert rest[-1].moment.due_at == saturday
    assert rest[-1].verdict == "excluded"
