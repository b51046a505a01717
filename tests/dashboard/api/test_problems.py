from __future__ import annotations

import pytest
from django.test import Client

from tasks.errors import BrokerSilent, BrokerUnavailable
from tests.dashboard.api.conftest import Api, assert_problem

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "path", ["/api/", "/api/v2/jobs", "/api/v1/", "/api/v1/nothing", "/api/v1/jobs/"]
)
def test_unknown_addresses_are_problems(path: str) -> None:
    assert_problem(Client().get(path), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/jobs/x", "GET"),
        ("GET", "/jobs/x/cancel", "POST"),
        ("PUT", "/queues", "GET"),
    ],
)
def test_other_methods_are_problems_that_name_the_right_one(
    api: Api, method: str, path: str, allowed: str
) -> None:
    response = api.client.generic(method, f"/api/v1{path}")
    body = assert_problem(response, 405)
    assert response["Allow"] == allowed
    assert allowed in body["detail"]


def test_a_wrong_host_is_a_problem(api: Api, settings: object) -> None:
    settings.ALLOWED_HOSTS = ["here"]  # type: ignore[attr-defined]
    assert_problem(api.get("/tasks"), 400)


def test_pages_keep_their_own_errors() -> None:
    response = Client().get("/nothing-here/")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    "error", [BrokerUnavailable("connection refused"), BrokerSilent()]
)
def test_redis_that_is_away_is_503(
    error: BrokerUnavailable, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise error

    monkeypatch.setattr("dashboard.api.queues.read_snapshot", away)
    assert_problem(api.get("/queues"), 503, "broker-unavailable")


def test_problems_are_told_in_the_callers_language(api: Api) -> None:
    response = api.client.get(
        "/api/v1/nothing", headers={"accept-language": "zh-hans, en;q=0.1"}
    )
    assert response["Content-Language"] == "zh-hans"
    assert_problem(response, 404)
