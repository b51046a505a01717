"""Which rows of due moments are kept, and for how long."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks import retention
from tasks.conf import get_config
from tasks.models import Fire, Schedule
from tasks.models.backfill import BackfillState
from tasks.models.fire import Verdict
from tasks.retention import REST_FOR, FirePruning
from tasks.scheduler import PRUNE_EVERY, Scheduler
from tasks.schedules.fire_reports import STRIP
from tasks.states import State
from tests.timetable import (
    DAY,
    NOW,
    create_backfill,
    create_fire,
    create_fires,
    create_schedule,
)

pytestmark = pytest.mark.django_db

#: Ninety days, and more.
LONG_AGO = 100


def create_old(schedule: Schedule, number: int, days: int = LONG_AGO) -> list[Fire]:
    """Create Fires of daily moments, the newest so many days ago."""
    return [
        create_fire(schedule, NOW - (days + number - one) * DAY)
        for one in range(1, number + 1)
    ]


def prune() -> int:
    return FirePruning().step(NOW)


def kept(fires: list[Fire]) -> int:
    return Fire.objects.filter(pk__in=[fire.pk for fire in fires]).count()


def test_fires_are_kept_for_ninety_days() -> None:
    schedule = create_schedule()
    old, young = create_old(schedule, 5, days=91), create_old(schedule, 25, days=60)
    assert prune() == 5
    assert (kept(old), kept(young)) == (0, 25)
    assert prune() == 0


def test_for_how_long_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_config(), "taskyard_fire_days", 10)
    create_fires(create_schedule(), 30)
    assert prune() == 30 - STRIP


def test_those_that_the_list_shows_are_kept_however_old() -> None:
    rare, often = create_schedule("rare"), create_schedule("often")
    shown = create_old(rare, STRIP)
    create_fires(often, STRIP)  # of another schedule: they keep nobody's place
    assert prune() == 0
    one_more = create_fire(rare, NOW - DAY)
    assert prune() == 1
    assert kept([*shown[1:], one_more]) == STRIP


def test_the_newest_of_which_a_job_came_is_kept() -> None:
    schedule = create_schedule()
    jobs = create_old(schedule, 2, days=LONG_AGO + 40)
    refused = [
        create_fire(schedule, NOW - (LONG_AGO + day) * DAY, Verdict.REFUSED)
        for day in range(30, 0, -1)
    ]
    assert prune() == 1 + 10
    assert kept(jobs[1:]) == 1
    assert kept(refused[-STRIP:]) == STRIP


def test_those_without_any_job_are_not_kept_for_ever() -> None:
    schedule = create_schedule()
    for day in range(30):
        create_fire(schedule, NOW - (LONG_AGO + day) * DAY, Verdict.REFUSED)
    assert prune() == 30 - STRIP


def test_one_whose_job_has_not_ended_is_kept() -> None:
    schedule = create_schedule()
    for day, state in enumerate((State.QUEUED, State.STARTED, State.FINISHED)):
        create_fire(schedule, NOW - (LONG_AGO + day) * DAY, state=state)
    create_fires(schedule, STRIP)
    assert prune() == 1
    assert Fire.objects.count() == STRIP + 2


@pytest.mark.parametrize(
    ("state", "removed"),
    [
        (BackfillState.RUNNING, 0),
        (BackfillState.PAUSED, 0),
        (BackfillState.ABORTED, 3),
        (BackfillState.DONE, 3),
    ],
)
def test_those_of_a_backfill_are_kept_until_it_has_ended(
    state: BackfillState, removed: int
) -> None:
    schedule = create_schedule()
    backfill = create_backfill(schedule, state=state)
    for day in range(3):
        create_fire(schedule, NOW - (LONG_AGO + day) * DAY, backfill=backfill)
    assert prune() == removed


def test_a_backfill_s_do_not_count_as_those_that_the_list_shows() -> None:
    schedule = create_schedule()
    create_old(schedule, 1)
    backfill = create_backfill(schedule)
    for day in range(STRIP + 1):
        create_fire(schedule, NOW - day * DAY, backfill=backfill)
    assert prune() == 0


def test_rounds_go_on_where_the_one_before_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retention, "FIRES_AT_ONCE", 4)
    create_old(create_schedule("rare"), 6)  # kept: they must not be in the way
    create_old(create_schedule("often"), STRIP + 3)
    pruning = FirePruning()
    assert [pruning.step(NOW) for _round in range(3)] == [0, 2, 1]
    assert not any(pruning.step(NOW) for _round in range(10))


def test_it_begins_again_a_minute_after_it_was_through() -> None:
    schedule = create_schedule()
    create_old(schedule, STRIP)
    pruning = FirePruning()
    assert pruning.step(NOW) == 0
    create_fire(schedule, NOW)
    assert pruning.step(NOW + REST_FOR - timedelta(seconds=1)) == 0
    assert pruning.step(NOW + REST_FOR) == 1


def test_no_round_reads_all_fires() -> None:
    create_old(create_schedule(), STRIP + 3)
    with CaptureQueriesContext(connection) as asked:
        prune()
    assert len(asked) == 2
    if connection.vendor == "sqlite":
        for query in asked:
            assert_uses_indexes(query["sql"])


def assert_uses_indexes(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        plan = [row[3] for row in cursor.fetchall()]
    assert not [step for step in plan if step.startswith("SCAN")]


def test_it_is_a_chore_of_the_scheduler() -> None:
    schedule = create_schedule(enabled=False)
    create_old(schedule, STRIP + 1)
    now, ticks = [NOW], [50.0]
    scheduler = Scheduler(clock=lambda: ticks[0], now=lambda: now[0])
    scheduler.step()
    assert Fire.objects.count() == STRIP
    create_fire(schedule, NOW - timedelta(hours=1))
    ticks[0] += PRUNE_EVERY
    now[0] += REST_FOR
    scheduler.step()
    assert Fire.objects.count() == STRIP
