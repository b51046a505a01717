from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.models import Backfill, Schedule
from tests.dashboard.api.conftest import Api, assert_problem
from tests.dashboard.api.test_openapi import assert_true_to
from tests.timetable import create_backfill, create_fire, create_schedule

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/schedules/nightly/backfills"
RANGE = {"first_at": "2026-03-01T00:00:00Z", "last_at": "2026-03-04T00:00:00Z"}


@pytest.fixture
def schedule(db: None) -> Schedule:
    return create_schedule()


def test_a_dry_run_lists_what_would_run(reader: Api, schedule: Schedule) -> None:
    create_fire(schedule, datetime(2026, 3, 2, 9, tzinfo=UTC))
    body = reader.post(LIST, {**RANGE, "dry_run": True}).json()
    assert body["moments"] == ["2026-03-01T09:00:00Z", "2026-03-03T09:00:00Z"]
    assert (body["total"], body["left_out"]) == (2, 1)
    assert not Backfill.objects.exists()


def test_it_is_made_held_let_go_on_and_aborted(api: Api, schedule: Schedule) -> None:
    response = api.post(LIST, {**RANGE, "at_once": 2, "newest_first": True})
    assert response.status_code == 201, response.content
    made = response.json()
    assert (made["state"], made["total"], made["at_once"]) == ("running", 3, 2)
    assert (made["schedule"], made["created_by"]) == ("nightly", "robot")
    assert (made["decided"], made["newest_first"]) == (0, True)
    assert api.client.get(response["Location"]).json() == made
    one = f"/backfills/{made['number']}"
    for verb, state in (
        ("pause", "paused"),
        ("go-on", "running"),
        ("abort", "aborted"),
    ):
        assert api.post(f"{one}/{verb}").json()["state"] == state
    assert_problem(api.post(f"{one}/pause"), 409, "backfill-over")
    (listed,) = api.get(LIST).json()["backfills"]
    assert listed["state"] == "aborted"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"last_at": "2026-02-01T00:00:00Z"}, "last_at"),
        ({"last_at": "2199-01-01T00:00:00Z"}, "last_at"),
        ({"reprocess": "some"}, "reprocess"),
        ({"at_once": 0}, "at_once"),
        ({"at_once": "2"}, "at_once"),
        ({"first_at": "2026-03-01"}, "first_at"),
        ({"from": "2026-03-01"}, "from"),
    ],
)
def test_a_wrong_field_is_named(
    api: Api, schedule: Schedule, change: dict[str, Any], field: str
) -> None:
    body = assert_problem(api.post(LIST, {**RANGE, **change}), 422, kind_of(change))
    assert list(body["errors"]) == [field]
    assert not Backfill.objects.exists()


def kind_of(change: dict[str, Any]) -> str:
    by_shape = [{"at_once": "2"}, {"first_at": "2026-03-01"}, {"from": "2026-03-01"}]
    return "invalid-request" if change in by_shape else "invalid-option"


@pytest.mark.parametrize("number", ["7", "9" * 30])
def test_one_that_is_not_there_is_404(api: Api, number: str) -> None:
    assert_problem(api.get(f"/backfills/{number}"), 404, "backfill-not-found")
    for verb in ("pause", "go-on", "abort"):
        answer = api.post(f"/backfills/{number}/{verb}")
        assert_problem(answer, 404, "backfill-not-found")


def test_a_read_only_token_may_look_only(reader: Api, schedule: Schedule) -> None:
    assert_problem(reader.post(LIST, RANGE), 403, "permission-missing")
    backfill = create_backfill(schedule)
    assert reader.get(f"/backfills/{backfill.pk}").status_code == 200
    for verb in ("pause", "go-on", "abort"):
        answer = reader.post(f"/backfills/{backfill.pk}/{verb}")
        assert_problem(answer, 403, "permission-missing")


def test_answers_are_as_documented(api: Api, reader: Api, schedule: Schedule) -> None:
    document = api.get("/openapi.json").json()
    many = "/api/v1/schedules/{name}/backfills"
    for who, body in (
        (api, {**RANGE, "dry_run": True}),
        (api, RANGE),
        (api, RANGE),
        (api, b"{"),
        (reader, RANGE),
    ):
        assert_true_to(document, many, "post", who.post(LIST, body))
    assert_true_to(document, many, "get", api.get(LIST))
    number = Backfill.objects.get().pk
    one = "/api/v1/backfills/{number}"
    for path in (f"/backfills/{number}", "/backfills/99"):
        assert_true_to(document, one, "get", api.get(path))
        for verb in ("pause", "go-on", "abort", "pause"):
            answer = api.post(f"{path}/{verb}")
            assert_true_to(document, f"{one}/{verb}", "post", answer)
