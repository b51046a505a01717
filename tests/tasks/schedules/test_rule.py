from __future__ import annotations

import random
import uuid
from datetime import UTC, timedelta
from itertools import islice

import pytest

from tasks.schedules.days_off import Moment
from tasks.schedules.rule import Rule, stable_offset
from tests.tasks.schedules.samples import GOLDEN_WEEK, Week, at, cron, dates, in_october

DAY = timedelta(days=1)


def test_an_expression_is_due_in_its_zone_and_told_in_utc() -> None:
    moment = next(cron("0 9 * * *").moments(at("2026-11-21T08:00+08:00")))
    assert moment == Moment(at("2026-11-21T01:00Z"), at("2026-11-21T01:00Z"))
    assert moment.due_at.tzinfo is UTC


def test_an_interval_is_counted_from_its_beginning_without_drift() -> None:
    begin = at("2026-11-21T08:00:00.000001+08:00")
    rule = Rule(kind="every", every=0.1 + 90, starts_at=begin)
    first = next(rule.moments(begin - DAY))
    assert first.due_at == begin
    much_later = begin + 10_000_000 * timedelta(seconds=90.1)
    assert (
        next(rule.moments(much_later - timedelta(microseconds=1))).due_at == much_later
    )
    assert next(rule.moments(much_later)).due_at == much_later + timedelta(seconds=90.1)


def test_an_interval_without_beginning_keeps_to_full_minutes() -> None:
    rule = Rule(kind="every", every=300)
    found = islice(rule.moments(at("2026-11-21T08:01Z")), 2)
    assert [one.due_at for one in found] == [
        at("2026-11-21T08:05Z"),
        at("2026-11-21T08:10Z"),
    ]


def test_one_moment_is_due_once() -> None:
    rule = Rule(kind="once", at=at("2026-12-01T09:00+08:00"))
    found = list(rule.moments(at("2026-11-21T00:00Z")))
    assert [one.due_at for one in found] == [at("2026-12-01T01:00Z")]
    assert list(rule.moments(at("2026-12-01T01:00Z"))) == []


def test_after_an_end_there_is_a_pause() -> None:
    rule = Rule(kind="after", every=60, ends_at=at("2026-11-21T12:00Z"))
    assert list(rule.moments(at("2026-11-21T08:00Z"))) == []
    following = rule.next_after_end(at("2026-11-21T08:00Z"))
    assert following is not None
    assert following.due_at == at("2026-11-21T08:01Z")
    assert rule.next_after_end(at("2026-11-21T11:59:30Z")) is None


def test_no_moment_lies_outside_beginning_and_end() -> None:
    rule = cron(
        "0 9 * * *",
        starts_at=at("2026-10-02T09:00+08:00"),
        ends_at=at("2026-10-04T09:00+08:00"),
    )
    assert dates(in_october(rule), "due") == [2, 3, 4]
    assert rule.count(at("2026-01-01T00:00Z"), at("2027-01-01T00:00Z")) == 3
    assert rule.count(at("2026-10-02T01:00Z"), at("2026-10-03T01:00Z")) == 1
    assert rule.count(at("2027-10-02T01:00Z"), at("2026-10-03T01:00Z")) == 0


def test_what_comes_before_a_moment_does_not_come_at_it() -> None:
    rule = cron("0 9 * * *")
    after, before = at("2026-10-01T01:00Z"), at("2026-10-03T01:00Z")
    assert dates(rule.moments(after, before=before), "due") == [2]
    assert rule.count(after, before) == 2


RULES = [
    cron("0 9 * * *"),
    cron("*/7 * * * *", calendar=GOLDEN_WEEK),
    cron("0 9,17 * * 5", calendar=GOLDEN_WEEK, on_day_off="next"),
    cron("0 9 2,11 * *", calendar=GOLDEN_WEEK, on_day_off="previous"),
    cron("30 2 * * *", zone="Europe/Berlin", calendar=Week()),
    Rule(kind="every", every=5_000.5, zone="Asia/Shanghai", calendar=GOLDEN_WEEK),
    Rule(kind="every", every=777, ends_at=at("2026-10-09T00:00Z")),
    Rule(kind="once", at=at("2026-10-02T00:00Z")),
    Rule(kind="after", every=60),
]


@pytest.mark.parametrize("rule", RULES, ids=range(len(RULES)))
def test_moments_are_counted_and_taken_from_the_end_as_they_come(rule: Rule) -> None:
    begin, draw = at("2026-09-28T00:00Z"), random.Random(3)
    moments = list(rule.moments(begin, before=begin + 30 * DAY))
    for _number in range(20):
        low, high = sorted(draw.choices(range(30 * 86_400), k=2))
        after, until = (begin + timedelta(seconds=number) for number in (low, high))
        inside = [one for one in moments if after < one.due_at <= until]
        for due in (True, False):
            expected = [one for one in inside if one.is_due == due]
            assert rule.count(after, until, due=due) == len(expected)
            assert rule.latest(after, until, 5, due=due) == expected[-5:]
            found = rule.moments(
                after, before=until + timedelta(microseconds=1), due=due
            )
            assert list(found) == expected


def test_a_share_of_the_jitter_is_stable_and_spread() -> None:
    ids = [uuid.UUID(int=number) for number in range(2_000)]
    shares = [stable_offset(one, 60) for one in ids]
    assert shares == [stable_offset(one, 60) for one in ids]
    assert all(timedelta() <= share < timedelta(seconds=60) for share in shares)
    quarters = [int(share.total_seconds() // 15) for share in shares]
    assert all(430 < quarters.count(number) < 570 for number in range(4))
    assert stable_offset(ids[0], 0) == timedelta()
    assert stable_offset(uuid.UUID(int=1), 60) == timedelta(seconds=21.211)
