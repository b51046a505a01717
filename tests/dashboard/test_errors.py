from __future__ import annotations

import logging
from io import StringIO
from urllib.parse import quote

import pytest
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from dashboard.pages import overview
from tests.dashboard.soup import Soup

pytestmark = pytest.mark.django_db


def test_an_unknown_address_is_a_page(client: Client) -> None:
    response = client.get("/nothing/")
    assert response.status_code == 404
    assert "There is no such page." in response.content.decode()


@pytest.mark.parametrize(
    ("path", "above"),
    [
        ("/schedules/nightly/run/", "/schedules/nightly/"),
        ("/schedules/数据/the day/run/", "/schedules/数据/the day/"),
        ("/schedules/nightly/backfill/start/", "/schedules/nightly/backfill/"),
        ("/schedules/-/create/", "/schedules/"),
        ("/schedules/-/backfills/3/pause/", "/schedules/"),
        ("/schedules/-/calendars/+add/", "/schedules/-/calendars/"),
        ("/jobs/a/cancel/", "/jobs/a/"),
        ("/queues/low/pause/", "/queues/"),
        ("/theme/", "/"),
    ],
)
def test_the_address_of_a_form_is_a_page_that_names_the_one_above(
    operator: Client, path: str, above: str
) -> None:
    response = operator.get(path)
    assert (response.status_code, response["Allow"]) == (405, "POST")
    link = Soup(response.content).find("a", href=quote(above, safe="/+"))
    assert link is not None
    assert link.text == ("Overview" if above == "/" else above)


def test_an_api_address_of_another_method_is_no_page(client: Client) -> None:
    response = client.get("/api/v1/schedule-preview")
    assert response.status_code == 405
    assert response["Content-Type"] == "application/problem+json"


def test_a_missing_permission_is_named(viewer: Client) -> None:
    response = viewer.post(reverse("jobs-retry", args=["none"]))
    assert response.status_code == 403
    assert "tasks.operate_job" in response.content.decode()


def test_a_refusal_is_logged_in_one_line(viewer: Client) -> None:
    log = StringIO()
    console = next(one for one in logging.getLogger().handlers if one.name == "console")
    assert isinstance(console, logging.StreamHandler)
    stream = console.setStream(log)
    try:
        viewer.post(reverse("jobs-retry", args=["none"]))
    finally:
        console.setStream(stream)
    assert log.getvalue().startswith("WARNING django.request: Forbidden")
    assert log.getvalue().count("\n") == 1


def test_a_failure_of_ours_is_a_page(
    viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "read_board", lambda: 1 / 0)
    viewer.raise_request_exception = False
    response = viewer.get("/")
    assert response.status_code == 500
    assert "Something went wrong here" in response.content.decode()


def test_a_database_that_is_out_is_a_plain_page(
    viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OperationalError("connection refused\nmore")

    monkeypatch.setattr(overview, "read_board", fail)
    response = viewer.get("/")
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert "The database does not answer" in response.content.decode()
    assert "connection refused" in response.content.decode()


def test_a_path_is_escaped_in_its_404(client: Client) -> None:
    response = client.get("/jobs/<script>/x")
    assert b"<script>" not in response.content


def test_healthz_is_well(client: Client) -> None:
    response = client.get("/healthz")
    assert response.status_code == 200
    assert response.json() == {"database": "ok", "redis": "ok"}


@pytest.mark.usefixtures("redis_out")
def test_healthz_says_when_redis_is_out(client: Client) -> None:
    response = client.get("/healthz")
    assert response.status_code == 503
    assert response.json()["redis"] == "out"


def test_healthz_says_when_the_database_is_out(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.health._database_answers", lambda: False)
    response = client.get("/healthz")
    assert response.status_code == 503
    assert response.json()["database"] == "out"
