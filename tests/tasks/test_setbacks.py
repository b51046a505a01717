from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest
from django.utils import timezone

from tasks import setbacks
from tasks.job_details import read_details
from tasks.models import Audit, Job
from tasks.setbacks import Setback, explain_setback
from tasks.states import State
from tests.factories import create_job, lose_job

pytestmark = pytest.mark.django_db


def explain(job: Job) -> Setback | None:
    now = timezone.now()
    details = read_details(job, now)
    return explain_setback(job, details.attempts, details.history, now)


def lose(job: Job, *hours_ago: float) -> None:
    for number, hours in enumerate(hours_ago, start=1):
        ended_at = timezone.now() - timedelta(hours=hours)
        lose_job(job, f"w{number}", number=number, ended_at=ended_at)


@pytest.mark.parametrize("state", sorted(set(State)))
def test_a_job_that_nobody_died_of_needs_no_words(state: State) -> None:
    found = explain(create_job(state=state))
    assert (found is None) == (state not in (State.LOST, State.QUARANTINED))


def test_a_held_job_names_the_worker_and_offers_the_retry() -> None:
    job = create_job(state=State.LOST)
    lose(job, 5)
    found = explain(job)
    assert found is not None
    assert found.sentence.startswith("Worker w1 was lost while it ran this job.")
    assert found.verb == "retry"
    assert [attempt.worker for attempt in found.deaths] == ["w1"]


def test_a_job_that_failed_with_its_worker_says_by_which_rule() -> None:
    job = create_job(state=State.FAILED)
    lose(job, 1)
    found = explain(job)
    assert found is not None
    assert "Worker w1 was lost while it ran this job." in found.sentence
    assert "on_worker_lost: fail" in found.sentence
    assert found.verb == "retry"


def test_one_that_somebody_marked_as_failed_needs_no_words() -> None:
    job = create_job(state=State.FAILED)
    lose(job, 1)
    Audit.objects.create(actor="mara", via="web", verb="mark_failed", target=job.id)
    assert explain(job) is None


def test_a_quarantined_job_lists_its_deaths_the_last_first() -> None:
    job = create_job(state=State.QUARANTINED)
    lose(job, 3, 2, 1)
    found = explain(job)
    assert found is not None
    assert "died of it 3 times" in found.sentence
    assert found.verb == "retry"
    assert [attempt.number for attempt in found.deaths] == [3, 2, 1]


def test_a_suspect_is_told_of_without_a_button() -> None:
    job = create_job(state=State.QUEUED)
    lose(job, 2, 1)
    found = explain(job)
    assert found is not None
    assert "lost 2 times within 72 hours" in found.sentence
    assert "runs alone" in found.sentence
    assert found.verb == ""


@pytest.mark.parametrize("hours", [(1,), (80, 1), (80, 79)])
def test_one_death_and_old_ones_make_no_suspect(hours: Iterable[float]) -> None:
    job = create_job(state=State.QUEUED)
    lose(job, *hours)
    assert explain(job) is None


def test_what_an_operator_answered_for_counts_no_more() -> None:
    job = create_job(state=State.QUEUED)
    lose(job, 3, 2)
    Audit.objects.create(actor="mara", via="web", verb="retry", target=job.id)
    assert explain(job) is None


def test_where_quarantine_is_off_there_are_no_suspects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = create_job(state=State.QUEUED)
    lose(job, 2, 1)
    assert explain(job)
    off = setbacks.get_config().model_copy(update={"taskyard_quarantine": False})
    monkeypatch.setattr(setbacks, "get_config", lambda: off)
    assert explain(job) is None


def test_a_job_that_finished_after_all_needs_no_words() -> None:
    job = create_job(state=State.FINISHED)
    lose(job, 2, 1)
    assert explain(job) is None
