from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, OperationalError, transaction
from django.utils import timezone

from tasks.models import ApiToken, Dependency, Job, Pause
from tasks.models.token import USE_NOTED_EVERY
from tasks.states import ENDED, State
from tests.factories import create_job, create_pause

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def test_jobs_are_found_by_what_they_do() -> None:
    for state in State:
        create_job(state=state)
    assert {job.state for job in Job.objects.running()} == {"started"}
    assert {job.state for job in Job.objects.waiting()} == {
        "created",
        "scheduled",
        "deferred",
        "queued",
    }
    assert {job.state for job in Job.objects.ended_since(timezone.now() - HOUR)} == {
        str(state) for state in ENDED
    }


def test_a_job_that_ended_before_is_not_found() -> None:
    create_job(state=State.FINISHED, created_at=timezone.now() - 2 * HOUR)
    assert not Job.objects.ended_since(timezone.now() - HOUR).exists()


def test_only_old_created_jobs_wait_for_a_push() -> None:
    old = create_job(state=State.CREATED)
    create_job(state=State.CREATED, created_at=timezone.now())
    create_job(state=State.QUEUED)
    assert list(Job.objects.unpushed(timezone.now() - timedelta(seconds=5))) == [old]


def test_a_task_has_one_job_of_a_key() -> None:
    create_job(idempotency_key="k")
    create_job(idempotency_key="k", task="other")
    with pytest.raises(IntegrityError), transaction.atomic():
        create_job(idempotency_key="k")


def test_jobs_without_a_key_do_not_collide() -> None:
    create_job()
    create_job()
    assert Job.objects.count() == 2


def test_an_edge_is_there_once() -> None:
    Dependency.objects.create(child="a", parent="b")
    with pytest.raises(IntegrityError), transaction.atomic():
        Dependency.objects.create(child="a", parent="b")


def test_a_result_is_cut_where_more_bytes_were_returned() -> None:
    assert not create_job(result='"é"', result_size=4).result_cut
    assert create_job(result='"é', result_size=4).result_cut


def test_the_newest_job_comes_first() -> None:
    old = create_job(created_at=timezone.now() - HOUR)
    new = create_job()
    assert list(Job.objects.all()) == [new, old]


def test_a_job_has_an_address() -> None:
    assert create_job(id="a").get_absolute_url() == "/jobs/a/"


def test_a_token_is_known_by_its_text_only() -> None:
    text = ApiToken.issue("ci")
    token = ApiToken.authenticate(text)
    assert token is not None
    assert token.name == "ci"
    assert text.split("_", 2)[2] not in str(ApiToken.objects.values())


@pytest.mark.parametrize("wrong", ["", "x", "ty_", "ty_a_b", "ty__"])
def test_any_other_text_is_no_token(wrong: str) -> None:
    text = ApiToken.issue("ci")
    assert ApiToken.authenticate(wrong) is None
    assert ApiToken.authenticate(text + "x") is None
    assert ApiToken.authenticate(text.replace("ty_", "no_")) is None


def test_the_use_of_a_token_is_noted_now_and_then() -> None:
    text = ApiToken.issue("ci")
    ApiToken.authenticate(text)
    first = ApiToken.objects.get().last_used_at
    ApiToken.authenticate(text)
    assert first is not None
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - USE_NOTED_EVERY * 2)
    ApiToken.authenticate(text)
    assert ApiToken.objects.get().last_used_at >= first


def test_a_token_is_known_though_its_use_cannot_be_noted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise OperationalError("database is locked")

    text = ApiToken.issue("ci")
    monkeypatch.setattr(ApiToken, "save", refuse)
    assert ApiToken.authenticate(text)


def test_a_queue_has_one_open_pause() -> None:
    create_pause()
    create_pause("other")
    create_pause(resumed_at=timezone.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        create_pause()


def test_a_pause_is_in_force_until_its_end_or_until_resumed() -> None:
    now = timezone.now()
    create_pause("open")
    create_pause("ends", until=now + HOUR)
    over = create_pause("over", until=now)
    create_pause("resumed", resumed_at=now)
    assert {p.target for p in Pause.objects.in_force(now)} == {"open", "ends"}
    assert not over.is_in_force(now)


def test_a_pause_that_ended_by_itself_is_closed_at_its_end() -> None:
    now = timezone.now()
    ended = create_pause("a", until=now - HOUR)
    create_pause("b", until=now + HOUR)
    assert Pause.objects.close_ended(now) == 1
    ended.refresh_from_db()
    assert (ended.resumed_at, ended.resumed_by) == (ended.until, "")
    assert {p.target for p in Pause.objects.standing()} == {"b"}
