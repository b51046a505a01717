from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tasks import admin as tasks_admin
from tasks.errors import BrokerUnavailable
from tasks.models import ApiToken, Attempt, Audit, Job, Recovery, TaskRecord
from tasks.states import State
from tasks.submission import submit
from tests.factories import create_job, create_pause

pytestmark = pytest.mark.django_db(transaction=True)

JOBS = "/admin/tasks/job/"
MODELS = ("job", "attempt", "taskrecord", "pause", "recovery", "audit", "apitoken")


@pytest.fixture
def rows() -> dict[str, object]:
    """One row of every model, by the model's name."""
    job = create_job(id="a/b", state=State.FAILED)
    ApiToken.issue("robot")
    return {
        "job": job,
        "attempt": Attempt.objects.create(id="a1", job_key=job.id),
        "taskrecord": TaskRecord.objects.create(
            name="greet", path="tests.sample.greet", queue="emails", timeout=30
        ),
        "pause": create_pause(),
        "recovery": Recovery.objects.create(worker="w1", noticed_at=timezone.now()),
        "audit": Audit.objects.create(actor="me", via="web", verb="x", target=job.id),
        "apitoken": ApiToken.objects.get(),
    }


@pytest.fixture
def act(admin_client: Client) -> Callable[..., list[str]]:
    def post(action: str, *jobs: Job) -> list[str]:
        """Run an admin action on jobs and return what the page says."""
        data = {"action": action, "_selected_action": [job.pk for job in jobs]}
        response = admin_client.post(JOBS, data, follow=True)
        assert response.status_code == 200
        return [str(message) for message in response.context["messages"]]

    return post


def queued(**options: object) -> Job:
    return Job.objects.get(pk=submit("greet", {"name": "x"}, **options).id)


@pytest.mark.parametrize("model", MODELS)
def test_rows_can_be_looked_at_and_not_changed(
    admin_client: Client, rows: dict[str, object], model: str
) -> None:
    assert admin_client.get(f"/admin/tasks/{model}/").status_code == 200
    row = rows[model]
    url = reverse(f"admin:tasks_{model}_change", args=[row.pk])  # type: ignore[attr-defined]
    page = admin_client.get(url)
    assert page.status_code == 200
    assert b'name="_save"' not in page.content
    assert admin_client.post(url, {}).status_code == 403
    assert admin_client.get(f"/admin/tasks/{model}/add/").status_code == 403


def test_only_tokens_can_be_deleted(
    admin_client: Client, rows: dict[str, object]
) -> None:
    for model in MODELS:
        row = rows[model]
        url = reverse(f"admin:tasks_{model}_delete", args=[row.pk])  # type: ignore[attr-defined]
        assert admin_client.get(url).status_code == (
            200 if model == "apitoken" else 403
        )


def test_a_tokens_digest_is_not_shown(
    admin_client: Client, rows: dict[str, object]
) -> None:
    token = ApiToken.objects.get()
    page = admin_client.get(f"/admin/tasks/apitoken/{token.pk}/change/")
    assert token.digest.encode() not in page.content


def test_jobs_are_canceled_and_audited(act: Callable[..., list[str]]) -> None:
    jobs = [queued(), queued()]
    assert act("cancel_jobs", *jobs) == ["2 jobs canceled."]
    assert {job.state for job in Job.objects.all()} == {State.CANCELED}
    entry = Audit.objects.filter(verb="cancel").first()
    assert entry is not None
    assert (entry.actor, entry.via) == ("admin", "admin")


def test_jobs_are_retried(act: Callable[..., list[str]]) -> None:
    job = queued()
    act("cancel_jobs", job)
    assert act("retry_jobs", job) == ["1 job retried."]
    assert Job.objects.get().state == State.QUEUED


def test_refusals_are_told(act: Callable[..., list[str]]) -> None:
    said = act("retry_jobs", *[queued(id=f"j{n}") for n in range(7)])
    assert len(said) == tasks_admin.REFUSALS_TOLD + 1
    assert "is queued now" in said[0]
    assert said[-1] == "… and 2 more."


def test_an_outage_ends_the_action(
    act: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_args: object) -> Job:
        raise BrokerUnavailable("gone")

    monkeypatch.setattr(tasks_admin.actions, "retry", away)
    assert act("retry_jobs", queued(), queued()) == ["Redis does not answer: gone"]


def test_one_action_touches_a_bounded_number(
    act: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks_admin, "MOST_AT_ONCE", 1)
    said = act("cancel_jobs", queued(), queued())
    assert said == [
        "1 job canceled.",
        "Only the first 1 jobs were touched: select the rest again.",
    ]


def test_actions_need_the_permission_to_operate(client: Client) -> None:
    user = User.objects.create_user("looker", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_job"))
    client.force_login(user)
    job = queued()
    page = client.get(JOBS)
    assert b"cancel_jobs" not in page.content
    client.post(JOBS, {"action": "cancel_jobs", "_selected_action": [job.pk]})
    job.refresh_from_db()
    assert job.state != State.CANCELED


def test_the_admin_shares_the_sign_in_page(client: Client) -> None:
    response = client.get("/admin/", follow=True)
    assert response.redirect_chain[-1][0].startswith(reverse("sign-in"))


def test_people_without_staff_rights_are_told_and_not_sent_round(
    client: Client,
) -> None:
    client.force_login(User.objects.create_user("eve"))
    response = client.get("/admin/", follow=True)
    assert response.status_code == 200
    assert b"not authorized" in response.content
