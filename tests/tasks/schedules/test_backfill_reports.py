from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks.models.backfill import BackfillState
from tasks.models.fire import Verdict
from tasks.schedules.backfill_reports import (
    get_backfill,
    read_backfill,
    read_backfills,
)
from tasks.schedules.errors import BackfillNotFound
from tasks.states import State
from tests.timetable import DAY, NOW, create_backfill, create_fire, create_schedule

pytestmark = pytest.mark.django_db


def test_it_counts_what_became_of_its_moments() -> None:
    schedule = create_schedule()
    backfill = create_backfill(schedule, total=10)
    ends = [
        State.FINISHED,
        State.FINISHED,
        State.FAILED,
        State.LOST,
        State.CANCELED,
        State.STARTED,
        None,
    ]
    for day, state in enumerate(ends):
        create_fire(schedule, NOW - day * DAY, state=state, backfill=backfill)
    create_fire(schedule, NOW - 9 * DAY, Verdict.REFUSED, backfill=backfill)
    create_fire(schedule, NOW, state=State.FINISHED)
    row = read_backfill(get_backfill(backfill.pk))
    assert (row.decided, row.done, row.failed) == (8, 2, 2)
    assert (row.canceled, row.unended) == (1, 1)
    assert row.percent == 80


def test_one_that_is_done_stays_so_when_its_fires_are_gone() -> None:
    backfill = create_backfill(create_schedule(), state=BackfillState.DONE)
    row = read_backfill(get_backfill(backfill.pk))
    assert (row.decided, row.percent) == (3, 100)


def test_the_newest_come_first_in_two_queries_however_many() -> None:
    schedule = create_schedule()
    for number in range(4):
        backfill = create_backfill(schedule)
        create_fire(schedule, state=State.FINISHED, backfill=backfill)
        if number in (1, 3):
            with CaptureQueriesContext(connection) as queries:
                rows = read_backfills(schedule)
            assert len(queries) == 2
            assert len(rows) == number + 1
            assert rows[0].backfill == backfill
            assert {row.done for row in rows} == {1}


def test_one_that_is_not_there() -> None:
    with pytest.raises(BackfillNotFound, match="There is no backfill 7"):
        get_backfill(7)
    with pytest.raises(BackfillNotFound):
        get_backfill(10**30)
