from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.models import Audit, Calendar, Schedule
from tasks.schedules.fields import FIELDS
from tests.clocks import stop_clock
from tests.dashboard.api.conftest import Api
from tests.tasks.schedules.oddities import PLAIN
from tests.timetable import NOW, create_schedule

pytestmark = pytest.mark.django_db(transaction=True)

GOOD: dict[str, Any] = {
    "task": "tests.sample.add",
    "kwargs": {"a": 1},
    "expression": "0 9 * * *",
}

#: Bodies that are no JSON, or more than a request may be.
BROKEN = (
    *(b"{", b"\xff\xfe", b"\xef\xbb\xbf{}", b'"\\ud800"', b"[" * 100_000),
    *(b"null", b"[]", b'{"name": NaN}', b'{"jitter": 1e999}', b'{"name": "a\\u0000"}'),
    *(b'{"name": "a", "name": "b"}', b'{"grace": ' + b"9" * 5_000 + b"}"),
)


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_clock(monkeypatch, NOW)


def refusal(response: Any) -> dict[str, Any] | None:
    """Return the problem of an answer, None where the request was done."""
    if response.status_code in (200, 201):
        return None
    assert response.status_code in (400, 422), response.content
    problem: dict[str, Any] = response.json()
    assert problem["detail"]
    assert "Traceback" not in problem["detail"]
    return problem


def patch(api: Api, body: object) -> Any:
    path = "/api/v1/schedules/nightly"
    return api.client.patch(path, body, content_type="application/json")


@pytest.mark.parametrize("field", FIELDS)
def test_an_odd_value_is_refused_by_its_field_or_can_work(api: Api, field: str) -> None:
    for number, value in enumerate(PLAIN):
        name = f"s{number}"
        body = {**GOOD, field: value, "name": name}
        problem = refusal(api.post("/schedules", body))
        assert Schedule.objects.filter(name=name).exists() is (problem is None), value
        if problem is not None and problem["status"] == 422:
            assert problem["errors"], value
        if problem is None:
            assert api.get(f"/schedules/{name}").status_code == 200, value
    assert api.get("/schedules").status_code == 200
    assert api.get("/schedule-document").status_code == 200
    assert Audit.objects.count() == Schedule.objects.count()


@pytest.mark.parametrize("field", FIELDS)
def test_a_preview_and_a_change_refuse_what_a_save_would(api: Api, field: str) -> None:
    create_schedule()
    for value in PLAIN[::3]:
        before = Schedule.objects.values().get()
        shown = refusal(api.post("/schedule-preview", {**GOOD, field: value}))
        made = refusal(api.post("/schedules", {**GOOD, field: value, "name": "a"}))
        assert (shown is None) is (made is None), value
        Schedule.objects.filter(name="a").delete()
        if refusal(patch(api, {field: value, "grace": 7})) is not None:
            assert Schedule.objects.values().get() == before, value


@pytest.mark.parametrize("body", BROKEN)
@pytest.mark.parametrize(
    "path", ["/schedules", "/schedule-preview", "/schedule-document"]
)
def test_a_broken_body_is_refused(api: Api, path: str, body: bytes) -> None:
    assert refusal(api.post(path, body)) is not None
    assert not Schedule.objects.exists()


@pytest.mark.parametrize("body", BROKEN)
def test_a_broken_body_changes_nothing(api: Api, body: bytes) -> None:
    create_schedule()
    before = Schedule.objects.values().get()
    for path in ("/run", "/reset", "/backfills"):
        response = api.post(f"/schedules/nightly{path}", body)
        assert response.status_code in (200, 202, 400, 422), (path, response.content)
    assert refusal(patch(api, body)) is not None
    assert Schedule.objects.values().get() == before


@pytest.mark.parametrize("data", [value for value in PLAIN if value != "x"])
def test_what_is_no_calendar_is_refused(api: Api, data: object) -> None:
    body = json.dumps({"data": data})
    response = api.client.put(
        "/api/v1/calendars/cn", body, content_type="application/json"
    )
    assert refusal(response) is not None
    assert not Calendar.objects.exists()


@pytest.mark.parametrize(
    "text",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "20270101", "1.5"],
)
def test_what_is_no_moment_in_utc_is_refused(api: Api, text: str) -> None:
    create_schedule()
    assert api.get("/schedules/nightly/fires", cursor=text).status_code == 422
    assert refusal(patch(api, json.dumps({"starts_at": text}))) is not None
