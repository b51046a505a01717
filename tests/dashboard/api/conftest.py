from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tasks.models import ApiToken, Job
from tasks.states import State
from tests.factories import create_job


class Api:
    """A client with a token; it speaks JSON and knows the paths."""

    def __init__(self, token: str = "", **options: Any) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self.client = Client(headers=headers, **options)

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(f"/api/v1{path}", query)

    def post(self, path: str, body: object = None, **options: Any) -> Any:
        options.setdefault("content_type", "application/json")
        return self.client.post(f"/api/v1{path}", body, **options)

    def submit(self, task: str, **body: Any) -> Any:
        return self.post("/jobs", {"task": task, **body})


@pytest.fixture
def api(db: None) -> Api:
    return Api(ApiToken.issue("robot"))


@pytest.fixture
def reader(db: None) -> Api:
    return Api(ApiToken.issue("reader", read_only=True))


def finished_job(**fields: Any) -> Job:
    return create_job(**{"state": State.FINISHED, **fields})


def assert_problem(response: Any, status: int, kind: str = "") -> dict[str, Any]:
    """Check that the answer is a problem of that status and type, and return it."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["type"] == (f"urn:taskyard:problem:{kind}" if kind else "about:blank")
    assert body["title"]
    assert body["detail"]
    return body
