from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from tasks.models import ApiToken
from tests.dashboard.api.conftest import Api, assert_problem

pytestmark = pytest.mark.django_db

PATHS = ("/jobs", "/jobs/x", "/queues", "/tasks", "/openapi.json")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("token", ["", "wrong", "ty_12345678_wrong", "ty__", "ü"])
def test_without_a_good_token_nothing_is_told(path: str, token: str) -> None:
    response = Api(token).get(path)
    assert_problem(response, 401)
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ["/jobs", "/jobs/x/cancel", "/jobs/x/retry"])
def test_without_a_token_nothing_can_be_done(path: str) -> None:
    assert_problem(Api().post(path, {}), 401)


def test_other_schemes_are_refused(db: None) -> None:
    token = ApiToken.issue("robot")
    client = Client(headers={"authorization": f"Token {token}"})
    assert_problem(client.get("/api/v1/tasks"), 401)


def test_a_revoked_token_is_refused_at_once(api: Api) -> None:
    assert api.get("/tasks").status_code == 200
    ApiToken.objects.all().delete()
    assert_problem(api.get("/tasks"), 401)


def test_a_read_only_token_reads_and_does_nothing(reader: Api) -> None:
    assert reader.get("/tasks").status_code == 200
    for verb in ("cancel", "stop", "retry"):
        assert_problem(reader.post(f"/jobs/x/{verb}"), 403, "permission-missing")


def test_a_wrong_token_is_not_mended_by_a_session(admin_client: Client) -> None:
    wrong = {"authorization": "Bearer wrong"}
    assert_problem(admin_client.get("/api/v1/tasks", headers=wrong), 401)


def test_a_session_reads(admin_client: Client) -> None:
    assert admin_client.get("/api/v1/tasks").status_code == 200


def test_a_session_without_the_permission_is_refused(client: Client) -> None:
    user = User.objects.create_user("eve")
    client.force_login(user)
    body = assert_problem(client.get("/api/v1/jobs"), 403, "permission-missing")
    assert "tasks.view_job" in body["detail"]
    user.user_permissions.add(Permission.objects.get(codename="view_job"))
    assert client.get("/api/v1/jobs").status_code == 200


def test_a_session_writes_only_with_its_csrf_token(admin_user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    body = {"task": "greet", "args": {"name": "x"}}
    url, as_json = "/api/v1/jobs", "application/json"
    assert_problem(client.post(url, body, content_type=as_json), 403)
    client.get("/admin/password_change/")
    token = client.cookies["csrftoken"].value
    headers = {"x-csrftoken": token}
    sent = client.post(url, body, content_type=as_json, headers=headers)
    assert sent.status_code == 202
