"""A rule of each second on a day off: 86,400 moments that are noted, and cost little."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import Sum

from tasks.models import Fire, Schedule
from tasks.models.fire import Verdict
from tasks.schedules import days_off
from tasks.schedules.fires import Firing
from tasks.schedules.misfire import MOST_LISTED
from tasks.schedules.plans import NOTE_DAYS_OFF_EVERY
from tests.timetable import DAY, create_calendar, create_schedule

pytestmark = pytest.mark.django_db

#: The first second of a day off and of the working day behind it.
OFF, WORK = datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 3, 11, tzinfo=UTC)

SECOND = timedelta(seconds=1)

#: Moments that one step may look at: those that it lists, twice, and some to find them.
MOST_MADE = 5 * MOST_LISTED

EACH_SECOND: dict[str, dict[str, Any]] = {
    "cron": {"expression": "*/1 * * * * *"},
    "every": {"kind": "every", "every": 1, "expression": ""},
}


@pytest.fixture(params=list(EACH_SECOND))
def schedule(request: pytest.FixtureRequest) -> Schedule:
    calendar = create_calendar(off=["2026-03-10"])
    fields = EACH_SECOND[request.param]
    return create_schedule(calendar=calendar, now=OFF - SECOND, **fields)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[days_off.Moment]:
    """The moments that were computed, one by one."""
    computed: list[days_off.Moment] = []
    moment = days_off.Moment

    def note(*given: Any) -> days_off.Moment:
        computed.append(moment(*given))
        return computed[-1]

    monkeypatch.setattr(days_off, "Moment", note)
    return computed


def excluded() -> Any:
    return Fire.objects.filter(verdict=Verdict.EXCLUDED)


def test_a_scheduler_that_runs_notes_them_a_minute_at_a_time(
    schedule: Schedule, made: list[days_off.Moment]
) -> None:
    firing = Firing()
    for minute in range(1, 4):
        now = OFF + minute * NOTE_DAYS_OFF_EVERY
        assert firing.step(now) > now
        assert excluded().count() <= minute * 61
    assert len(made) < MOST_MADE
    schedule.refresh_from_db()
    assert schedule.next_due_at == WORK
    assert schedule.look_at is not None
    assert schedule.look_at >= OFF + 4 * NOTE_DAYS_OFF_EVERY - SECOND


def test_after_an_outage_of_the_whole_day_rows_stand_for_many(
    schedule: Schedule, made: list[days_off.Moment]
) -> None:
    Firing().step(WORK - SECOND)
    assert excluded().count() <= MOST_LISTED
    assert excluded().aggregate(all=Sum("count"))["all"] == DAY // SECOND
    assert len(made) < MOST_MADE


def test_the_working_day_begins_in_time(schedule: Schedule) -> None:
    firing = Firing()
    firing.step(WORK - SECOND)
    firing.step(WORK)
    ran = Fire.objects.get(verdict=Verdict.RAN)
    assert (ran.due_at, ran.decided_at) == (WORK, WORK)
