"""Expressions of other libraries, against these libraries themselves."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from crontab import CronTab

from tasks.errors import InvalidOption
from tasks.schedules.cron import Cron
from tasks.schedules.foreign_crons import from_croniter, from_crontab

START = datetime(2026, 1, 30, 23, 59, 58, tzinfo=UTC)
MOMENTS = 60


def ours(text: str) -> list[datetime]:
    return list(islice(Cron.parse(text).after(START, ZoneInfo("UTC")), MOMENTS))


def by_crontab(text: str) -> list[datetime]:
    table, found = CronTab(text), [START.replace(tzinfo=None)]
    for _number in range(MOMENTS):
        moment = table.next(found[-1], default_utc=True, return_datetime=True)
        assert moment is not None
        found.append(moment)
    return [moment.replace(tzinfo=UTC) for moment in found[1:]]


def by_croniter(text: str) -> list[datetime]:
    found = croniter(text, START)
    return [found.get_next(datetime) for _number in range(MOMENTS)]


@pytest.mark.parametrize(
    "text",
    [
        "* * * * *",
        "*/7 3-9/2 * * *",
        "0 9 * * mon-fri",
        "0 9 1,15 * ?",
        "0 0 L * *",
        "0 0 ? * L5",
        "5 4 * jan,jul 0,7",
        "0 9 * * * *",
        "30 0 9 * * * *",
        "* 0 9 * * 1 *",
        "0 0 9 * * 6,L7 ?",
        "@daily",
        "@weekly",
    ],
)
def test_what_rq_scheduler_reads_fires_at_the_same_moments(text: str) -> None:
    assert ours(from_crontab(text)) == by_crontab(text.replace("?", "*"))


@pytest.mark.parametrize(
    "text",
    [
        "*/5 * * * *",
        "0 9 * * 1-5",
        "0 9 13 * 5",
        "0 9 * * * 30",
        "* 9 * * 1 */15",
        "0 9 * * * * *",
        "0 9 * * 1 *",
        "@hourly",
    ],
)
def test_what_rqs_cron_reads_fires_at_the_same_moments(text: str) -> None:
    without_year = " ".join(text.split()[:6])
    assert ours(from_croniter(text)) == by_croniter(without_year)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 9 13 * 5", "both match"),
        ("0 9 1 1 * 2027", "names a year"),
        ("0 9", "neither five, six nor seven"),
        ("", "neither five, six nor seven"),
        ("0 0 Z3 * *", "Z3"),
        ("61 * * * *", "61 lies outside"),
    ],
)
def test_what_cannot_be_said_here_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidOption, match=words):
        from_crontab(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 9 */2 * 5", "with a \\* in one of them"),
        ("0 9 1 1 * 0 2027", "names a year"),
        ("0 25 * * *", "25 lies outside"),
    ],
)
def test_so_is_what_rqs_cron_means_otherwise(text: str, words: str) -> None:
    with pytest.raises(InvalidOption, match=words):
        from_croniter(text)
