from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from dashboard.api.schedule_payloads import Settings
from tasks.models import Fire, Job, Schedule
from tasks.models.fire import Verdict
from tasks.schedules.fields import FIELDS, values_of
from tests.dashboard.api.conftest import Api, assert_problem
from tests.dashboard.api.test_openapi import assert_true_to
from tests.timetable import create_calendar, create_fire, create_schedule

pytestmark = pytest.mark.django_db(transaction=True)

NIGHTLY = {
    "name": "nightly",
    "task": "tests.sample.add",
    "kwargs": {"a": 1},
    "expression": "0 9 * * *",
    "zone": "Asia/Shanghai",
}
ONE = "/schedules/nightly"


def patch(api: Api, body: object, path: str = ONE) -> Any:
    return api.client.patch(f"/api/v1{path}", body, content_type="application/json")


def test_the_settings_are_all_fields_of_a_schedule() -> None:
    assert set(Settings.model_fields) == set(FIELDS)


def test_it_makes_a_schedule_and_reads_it(api: Api) -> None:
    response = api.post("/schedules", NIGHTLY)
    assert response.status_code == 201, response.content
    assert response["Location"] == "/api/v1/schedules/nightly"
    body = response.json()
    assert body == api.get(ONE).json()
    assert (body["words"], body["queue"]) == ("Every day at 09:00", "default")
    assert body["settings"]["kwargs"] == {"a": 1}
    assert (body["created_by"], body["declared"], body["code"]) == ("robot", False, [])
    assert len(body["next"]) == 5
    assert body["next"][0]["due_at"] == body["next_due_at"]
    assert body["next"][0]["local"].endswith("T09:00:00+08:00")


def test_it_lists_by_name_with_filters_and_pages(api: Api) -> None:
    for name in ("b", "c", "a"):
        create_schedule(name, now=timezone.now(), queue=f"q-{name}")
    first = api.get("/schedules", limit=2).json()
    assert [one["name"] for one in first["schedules"]] == ["a", "b"]
    rest = api.get("/schedules", limit=2, cursor=first["next"]).json()
    assert ([one["name"] for one in rest["schedules"]], rest["next"]) == (["c"], None)
    found = api.get("/schedules", queue="q-b").json()["schedules"]
    assert [one["name"] for one in found] == ["b"]
    body = assert_problem(api.get("/schedules", sort="x"), 422, "invalid-request")
    assert list(body["errors"]) == ["sort"]
    assert_problem(api.get("/schedules", kind="late"), 422, "invalid-request")


def test_a_name_may_have_blanks_and_letters_of_any_script(api: Api) -> None:
    response = api.post("/schedules", {**NIGHTLY, "name": "每天 9 点"})
    assert response.status_code == 201
    assert api.client.get(response["Location"]).json()["name"] == "每天 9 点"


@pytest.mark.parametrize(
    ("change", "kind", "field"),
    [
        ({"expression": "0 0 31 2 *"}, "invalid-option", "expression"),
        ({"expression": "* * * * * *"}, "invalid-option", "expression"),
        ({"expression": "1," * 5000 + "99 * * * *"}, "invalid-option", "expression"),
        ({"zone": "Asia/Shangai"}, "invalid-option", "zone"),
        ({"task": "shop.gone"}, "invalid-option", "task"),
        ({"kwargs": {"b": 1}}, "invalid-arguments", "args.a"),
        ({"calendar": "cn"}, "invalid-option", "calendar"),
        ({"kind": "sometimes"}, "invalid-option", "kind"),
        ({"name": "a/b"}, "invalid-option", "name"),
        ({"jitter": "60"}, "invalid-request", "jitter"),
        ({"starts_at": "2030-01-01T00:00:00"}, "invalid-request", "starts_at"),
        ({"cron": "0 9 * * *"}, "invalid-request", "cron"),
    ],
)
def test_what_cannot_work_is_refused_by_field(
    api: Api, change: dict[str, Any], kind: str, field: str
) -> None:
    response = api.post("/schedules", {**NIGHTLY, **change})
    body = assert_problem(response, 422, kind)
    assert list(body["errors"]) == [field]
    assert not Schedule.objects.exists()


def test_a_name_is_taken_once(api: Api) -> None:
    assert api.post("/schedules", NIGHTLY).status_code == 201
    assert_problem(api.post("/schedules", NIGHTLY), 409, "schedule-exists")


def test_it_changes_what_is_sent_and_nothing_else(api: Api) -> None:
    api.post("/schedules", NIGHTLY)
    before = values_of(Schedule.objects.get())
    body = patch(api, {"expression": "0 10 * * *", "jitter": 60}).json()
    assert (body["words"], body["version"]) == ("Every day at 10:00", 2)
    after = values_of(Schedule.objects.get())
    assert after == before | {"expression": "0 10 * * *", "jitter": 60.0}


def test_a_change_of_something_older_is_refused(api: Api) -> None:
    api.post("/schedules", NIGHTLY)
    assert patch(api, {"jitter": 5, "version": 1}).status_code == 200
    response = patch(api, {"jitter": 6, "version": 1})
    assert "robot" in assert_problem(response, 409, "schedule-changed")["detail"]
    assert Schedule.objects.get().jitter == 5


def test_it_is_disabled_enabled_and_deleted(api: Api) -> None:
    api.post("/schedules", NIGHTLY)
    body = api.post(f"{ONE}/disable").json()
    assert (body["enabled"], body["next_at"], body["next"]) == (False, None, [])
    assert api.post(f"{ONE}/enable").json()["enabled"]
    assert api.client.delete(f"/api/v1{ONE}").status_code == 204
    assert_problem(api.get(ONE), 404, "schedule-not-found")


def declare(**fields: Any) -> Schedule:
    schedule = create_schedule(now=timezone.now(), **fields)
    schedule.declared = values_of(schedule)
    schedule.save()
    return schedule


def test_a_declared_one_shows_both_values_and_is_reset(api: Api) -> None:
    declare()
    body = patch(api, {"jitter": 60, "grace": 5}).json()
    assert body["overridden"] == ["grace", "jitter"]
    changed = {one["field"]: one for one in body["code"][:2]}
    assert (changed["jitter"]["code"], changed["jitter"]["present"]) == (0, 60)
    assert changed["jitter"]["changed_by"] == "robot"
    body = api.post(f"{ONE}/reset", {"fields": ["jitter"]}).json()
    assert (body["overridden"], body["settings"]["jitter"]) == (["grace"], 0)
    assert api.post(f"{ONE}/reset", b"").json()["overridden"] == []
    response = api.client.delete(f"/api/v1{ONE}")
    assert_problem(response, 422, "invalid-option")


def test_it_runs_now_with_the_schedules_arguments_or_with_others(api: Api) -> None:
    api.post("/schedules", NIGHTLY)
    next_at = Schedule.objects.get().next_at
    response = api.post(f"{ONE}/run", b"")
    assert response.status_code == 202
    assert Job.objects.get(pk=response.json()["id"]).kwargs == {"a": 1}
    job_id = api.post(f"{ONE}/run", {"args": {"a": 5}}).json()["id"]
    assert Job.objects.get(pk=job_id).kwargs == {"a": 5}
    wrong = api.post(f"{ONE}/run", {"args": {"c": 5}})
    assert_problem(wrong, 422, "invalid-arguments")
    assert Schedule.objects.get().next_at == next_at
    assert not Fire.objects.exists()


def test_a_calendar_is_named(api: Api) -> None:
    create_calendar("cn", off=["2030-01-01"])
    api.post("/schedules", {**NIGHTLY, "calendar": "cn"})
    assert api.get(ONE).json()["settings"]["calendar"] == "cn"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/schedules", NIGHTLY),
        ("PATCH", ONE, {"jitter": 5}),
        ("DELETE", ONE, None),
        *(
            ("POST", f"{ONE}/{verb}", None)
            for verb in ("enable", "disable", "reset", "run")
        ),
    ],
)
def test_a_read_only_token_may_not(
    reader: Api, method: str, path: str, body: object
) -> None:
    create_schedule(now=timezone.now())
    call = getattr(reader.client, method.lower())
    response = call(f"/api/v1{path}", body, content_type="application/json")
    assert_problem(response, 403, "permission-missing")
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ONE),
        ("PATCH", ONE),
        ("DELETE", ONE),
        ("GET", f"{ONE}/fires"),
        ("GET", f"{ONE}/next"),
        *(("POST", f"{ONE}/{verb}") for verb in ("enable", "disable", "reset", "run")),
    ],
)
def test_an_unknown_schedule_is_404_with_the_nearest_name(
    api: Api, method: str, path: str
) -> None:
    create_schedule("nightly2", now=timezone.now())
    body = "{}" if method == "PATCH" else ""
    kind = "application/json"
    response = api.client.generic(method, f"/api/v1{path}", body, content_type=kind)
    found = assert_problem(response, 404, "schedule-not-found")
    assert found["detail"].endswith("Did you mean nightly2?")


def test_answers_are_as_documented(api: Api, reader: Api) -> None:
    document = api.get("/openapi.json").json()
    path = "/api/v1/schedules"
    one = f"{path}/{{name}}"
    for who, body in ((api, NIGHTLY), (api, NIGHTLY), (api, b"{"), (reader, NIGHTLY)):
        assert_true_to(document, path, "post", who.post("/schedules", body))
    schedule = Schedule.objects.get()
    now = timezone.now()
    create_fire(schedule, now - timedelta(days=1), Verdict.MISSED)
    for name in ("nightly", "nobody"):
        here = f"/schedules/{name}"
        assert_true_to(document, one, "get", api.get(here))
        assert_true_to(document, one, "patch", patch(api, {"jitter": 1}, here))
        for verb in ("enable", "disable", "run", "reset"):
            answer = api.post(f"{here}/{verb}")
            assert_true_to(document, f"{one}/{verb}", "post", answer)
        for verb in ("fires", "next"):
            assert_true_to(document, f"{one}/{verb}", "get", api.get(f"{here}/{verb}"))
    assert_true_to(document, path, "get", api.get("/schedules"))
    timeline = api.get("/schedule-timeline")
    assert_true_to(document, "/api/v1/schedule-timeline", "get", timeline)
    assert_true_to(document, path, "get", api.get("/schedules", limit=0))
    wanted = {key: value for key, value in NIGHTLY.items() if key != "name"}
    for body in (wanted, {"schedule": "nobody"}, {"zone": "x"}):
        answer = api.post("/schedule-preview", body)
        assert_true_to(document, "/api/v1/schedule-preview", "post", answer)
