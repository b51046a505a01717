from __future__ import annotations

from datetime import timedelta

import pytest

from tasks.models import Pace
from tasks.schedules.pace import JOBS_A_SECOND, reserve
from tests.timetable import NOW

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


def test_jobs_that_catch_up_start_fifty_a_second() -> None:
    starts = reserve(120, NOW)
    assert starts[0] == NOW
    for second in range(2):
        begin = NOW + second * SECOND
        within = [start for start in starts if begin <= start < begin + SECOND]
        assert len(within) == JOBS_A_SECOND


def test_each_scheduler_goes_on_where_the_one_before_ended() -> None:
    first, second = reserve(60, NOW), reserve(60, NOW)
    assert second[0] - first[-1] == SECOND / JOBS_A_SECOND


def test_what_was_not_used_is_not_saved_up() -> None:
    reserve(10, NOW)
    later = NOW + timedelta(hours=1)
    assert reserve(2, later) == [later, later + SECOND / JOBS_A_SECOND]


def test_nothing_is_written_where_nothing_catches_up() -> None:
    assert reserve(0, NOW) == []
    assert not Pace.objects.exists()
