from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.models import Calendar
from tests.dashboard.api.conftest import Api, assert_problem
from tests.dashboard.api.test_openapi import assert_true_to
from tests.timetable import create_calendar, create_schedule

pytestmark = pytest.mark.django_db(transaction=True)

ONE = "/calendars/cn"
ICS = """BEGIN:VCALENDAR
VERSION:2.0
BEGIN:VEVENT
UID:1
DTSTART;VALUE=DATE:20260216
DTEND;VALUE=DATE:20260218
SUMMARY:春节
END:VEVENT
BEGIN:VEVENT
UID:2
DTSTART;VALUE=DATE:20260214
SUMMARY:春节 补班
END:VEVENT
END:VCALENDAR
"""


def put(api: Api, data: object, path: str = ONE) -> Any:
    body = json.dumps({"data": data})
    return api.client.put(f"/api/v1{path}", body, content_type="application/json")


def test_a_file_is_added_read_and_replaced(api: Api) -> None:
    body = put(api, ICS.replace("\n", "\r\n")).json()
    assert (body["off"], body["work"], body["last_day"]) == (2, 1, "2026-02-17")
    assert list(body["days_off"]) == ["2026-02-16", "2026-02-17"]
    assert list(body["days_worked"]) == ["2026-02-14"]
    assert body["changed_by"] == "robot"
    assert api.get(ONE).json() == body
    body = put(api, '{"off": ["2026-10-01"], "work": []}').json()
    assert body["days_off"] == {"2026-10-01": ""}


def test_they_are_listed_by_name_with_their_schedules(api: Api) -> None:
    create_calendar("de")
    create_schedule(calendar=create_calendar("cn", off=["2026-10-01"]))
    first, second = api.get("/calendars").json()["calendars"]
    assert (first["name"], first["schedules"], first["off"]) == ("cn", 1, 1)
    assert (second["name"], second["last_day"]) == ("de", None)


@pytest.mark.parametrize(
    ("data", "kind", "field"),
    [
        ("nothing of the sort", "invalid-option", "calendar"),
        ("<html>", "invalid-option", "calendar"),
        ("", "invalid-option", "calendar"),
        (7, "invalid-request", "data"),
    ],
)
def test_a_file_that_is_none_is_refused(
    api: Api, data: object, kind: str, field: str
) -> None:
    body = assert_problem(put(api, data), 422, kind)
    assert list(body["errors"]) == [field]
    assert not Calendar.objects.exists()


def test_one_that_is_kept_to_is_not_deleted(api: Api) -> None:
    schedule = create_schedule(calendar=create_calendar())
    response = api.client.delete(f"/api/v1{ONE}")
    assert "nightly" in assert_problem(response, 422, "invalid-option")["detail"]
    schedule.delete()
    assert api.client.delete(f"/api/v1{ONE}").status_code == 204
    assert_problem(api.get(ONE), 404, "calendar-not-found")


def test_a_read_only_token_may_look_only(reader: Api) -> None:
    create_calendar()
    assert reader.get(ONE).status_code == 200
    assert_problem(put(reader, ICS), 403, "permission-missing")
    response = reader.client.delete(f"/api/v1{ONE}")
    assert_problem(response, 403, "permission-missing")


def test_answers_are_as_documented(api: Api, reader: Api) -> None:
    document = api.get("/openapi.json").json()
    one = "/api/v1/calendars/{name}"
    for who, data in ((api, ICS), (api, "x"), (reader, ICS)):
        assert_true_to(document, one, "put", put(who, data))
    for path in (ONE, "/calendars/nobody"):
        assert_true_to(document, one, "get", api.get(path))
    gone = api.client.delete("/api/v1/calendars/nobody")
    assert_true_to(document, one, "delete", gone)
    assert_true_to(document, "/api/v1/calendars", "get", api.get("/calendars"))
