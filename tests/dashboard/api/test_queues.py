from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from tasks import pauses
from tasks.errors import BrokerUnavailable
from tasks.models import Pause
from tests.dashboard.api.conftest import Api, assert_problem
from tests.dashboard.api.test_openapi import assert_true_to
from tests.factories import create_pause

pytestmark = pytest.mark.django_db(transaction=True)

PAUSE = "/queues/default/pause"
RESUME = "/queues/default/resume"


def listed(api: Api, name: str) -> dict[str, Any]:
    queues = api.get("/queues").json()["queues"]
    found: dict[str, Any] = next(queue for queue in queues if queue["name"] == name)
    return found


def test_a_paused_queue_is_listed_with_its_pause_even_without_jobs(api: Api) -> None:
    api.submit("greet", args={"name": "x"})
    create_pause("fresh", reason="deploy")
    assert listed(api, "emails")["paused"] is None
    fresh = listed(api, "fresh")
    assert fresh["waiting"] == 0
    assert fresh["paused"]["reason"] == "deploy"
    assert (fresh["paused"]["by"], fresh["paused"]["until"]) == ("mara", None)


def test_it_pauses_for_a_time_and_resumes(api: Api) -> None:
    response = api.post(PAUSE, {"reason": "deploy", "seconds": 900})
    body = response.json()
    assert (response.status_code, body["queue"], body["told"]) == (200, "default", True)
    until = datetime.fromisoformat(body["paused"]["until"])
    assert timedelta(seconds=800) < until - timezone.now() <= timedelta(seconds=900)
    assert (body["paused"]["by"], body["paused"]["reason"]) == ("robot", "deploy")
    response = api.post(RESUME)
    assert (response.status_code, response.json()["paused"]) == (200, None)
    assert Pause.objects.get().resumed_by == "robot"


def test_a_moment_may_be_given(api: Api) -> None:
    body = api.post(PAUSE, {"until": "2030-01-02T03:04:00+01:00"}).json()
    assert datetime.fromisoformat(body["paused"]["until"]) == datetime.fromisoformat(
        "2030-01-02T02:04:00+00:00"
    )


def test_nothing_needs_to_be_sent(api: Api) -> None:
    for response in (
        api.post(PAUSE, b""),
        api.client.generic("POST", f"/api/v1{PAUSE}"),
    ):
        assert response.status_code == 200
        assert response.json()["paused"]["until"] is None


def test_a_queue_that_is_not_paused_stays_so(api: Api) -> None:
    response = api.post(RESUME)
    assert (response.status_code, response.json()["paused"]) == (200, None)


def test_while_redis_is_away_it_is_kept(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise BrokerUnavailable("refused")

    monkeypatch.setattr(pauses, "reconcile", fail)
    for path in (PAUSE, RESUME):
        response = api.post(path, {})
        assert (response.status_code, response.json()["told"]) == (202, False)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"seconds": 0}, "seconds"),
        ({"seconds": 1e300}, "seconds"),
        ({"seconds": "60"}, "seconds"),
        ({"seconds": 60, "until": "2030-01-01T00:00:00Z"}, "seconds"),
        ({"until": "2020-01-01T00:00:00Z"}, "until"),
        ({"until": "2030-01-01T00:00:00"}, "until"),
        ({"reason": "x" * 501}, "reason"),
        ({"why": "x"}, "why"),
    ],
)
def test_a_wrong_field_is_named(api: Api, body: dict[str, object], field: str) -> None:
    response = api.post(PAUSE, body)
    assert response.status_code == 422
    assert list(response.json()["errors"]) == [field]
    assert not Pause.objects.exists()


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_an_unknown_queue_is_404(api: Api, verb: str) -> None:
    body = assert_problem(api.post(f"/queues/emials/{verb}"), 404, "queue-not-found")
    assert body["detail"].endswith("Did you mean emails?")
    assert_problem(api.post(f"/queues/a%00b/{verb}"), 404, "queue-not-found")


@pytest.mark.parametrize("path", [PAUSE, RESUME])
def test_a_read_only_token_may_not(reader: Api, path: str) -> None:
    create_pause()
    assert_problem(reader.post(path, {}), 403, "permission-missing")
    assert pauses.current_pauses()


def test_answers_are_as_documented(api: Api, reader: Api) -> None:
    document = api.get("/openapi.json").json()
    path = "/api/v1/queues/{name}/"
    create_pause("fresh")
    assert_true_to(document, "/api/v1/queues", "get", api.get("/queues"))
    for who, name, body in (
        (api, "default", {"seconds": 60}),
        (api, "default", {"seconds": -1}),
        (api, "nobody", {}),
        (api, "default", b"{"),
        (reader, "default", {}),
    ):
        for verb in ("pause", "resume"):
            answer = who.post(f"/queues/{name}/{verb}", body)
            assert_true_to(document, f"{path}{verb}", "post", answer)
    assert not document["paths"][f"{path}pause"]["post"]["requestBody"].get("required")
