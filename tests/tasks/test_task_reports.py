from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from tasks import task_reports
from tasks.states import State
from tasks.task_reports import percentile, read_day, read_task, usual_duration
from tests.factories import create_job

pytestmark = pytest.mark.django_db


def ran(seconds: float, state: State = State.FINISHED, task: str = "t") -> None:
    start = timezone.now() - timedelta(minutes=5)
    create_job(
        task=task,
        state=state,
        created_at=start,
        started_at=start,
        ended_at=start + timedelta(seconds=seconds),
    )


@pytest.mark.parametrize(("part", "seconds"), [(50, 5), (95, 10), (100, 10)])
def test_a_percentile_is_a_value_that_occurred(part: int, seconds: int) -> None:
    ordered = [timedelta(seconds=n) for n in range(1, 11)]
    assert percentile(ordered, part) == timedelta(seconds=seconds)


def test_nothing_has_no_percentile() -> None:
    assert percentile([], 95) is None


def test_the_list_and_the_page_of_a_task_agree() -> None:
    for seconds in (1, 2, 3):
        ran(seconds)
    ran(60, State.FAILED)
    ran(9, task="other")
    now = timezone.now()
    assert read_day(now).of("t") == read_task("t", now)
    assert read_task("t", now).failures == 1
    assert read_task("t", now).p95 == timedelta(seconds=3)


def test_a_task_that_did_not_run_has_zeros() -> None:
    assert read_day(timezone.now()).of("nobody").runs == 0


def test_too_few_runs_say_nothing_about_what_is_usual() -> None:
    for _number in range(task_reports.RUNS_NEEDED - 1):
        ran(2)
    assert usual_duration("t", timezone.now()) is None
    ran(2)
    assert usual_duration("t", timezone.now()) == timedelta(seconds=2)


def test_counting_stops_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_reports, "JOBS_READ", 2)
    for _number in range(3):
        ran(1)
    day = read_day(timezone.now())
    assert day.partial
    assert day.of("t").runs == 2
