from __future__ import annotations

from typing import Any

import pytest

from dashboard.api.payloads import SubmitIn
from tasks.options import Options
from tests.dashboard.api.conftest import Api
from tests.dashboard.api.schema import faults

pytestmark = pytest.mark.django_db(transaction=True)

JOB = "/api/v1/jobs/{job_id}"


@pytest.fixture
def document(api: Api) -> dict[str, Any]:
    response = api.get("/openapi.json")
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


def assert_true_to(
    document: dict[str, Any], path: str, method: str, response: Any
) -> None:
    """Check status, content type and body of an answer against the document."""
    answers = document["paths"][path][method]["responses"]
    said = answers[str(response.status_code)]["content"]
    content_type = response["Content-Type"].partition(";")[0]
    schema = said[content_type]["schema"]
    assert list(faults(response.json(), schema, document)) == []


def test_it_lists_every_operation(document: dict[str, Any]) -> None:
    found = {
        f"{method} {path.removeprefix('/api/v1')}"
        for path, methods in document["paths"].items()
        for method in methods
    }
    assert found == {
        "post /jobs",
        "get /jobs",
        "get /jobs/{job_id}",
        "post /jobs/{job_id}/cancel",
        "post /jobs/{job_id}/stop",
        "post /jobs/{job_id}/retry",
        "post /jobs/{job_id}/fail",
        "get /queues",
        "post /queues/{name}/pause",
        "post /queues/{name}/resume",
        "get /workers",
        "post /workers/quiet",
        "post /workers/wake",
        "post /workers/{name}/quiet",
        "post /workers/{name}/wake",
        "post /workers/{name}/stop",
        "get /tasks",
        "get /schedules",
        "post /schedules",
        "get /schedules/{name}",
        "patch /schedules/{name}",
        "delete /schedules/{name}",
        "post /schedules/{name}/enable",
        "post /schedules/{name}/disable",
        "post /schedules/{name}/reset",
        "post /schedules/{name}/run",
        "get /schedules/{name}/fires",
        "get /schedules/{name}/next",
        "get /schedules/{name}/backfills",
        "post /schedules/{name}/backfills",
        "post /schedule-preview",
        "get /schedule-timeline",
        "get /schedule-document",
        "post /schedule-document",
        "get /backfills/{number}",
        "post /backfills/{number}/pause",
        "post /backfills/{number}/go-on",
        "post /backfills/{number}/abort",
        "get /calendars",
        "get /calendars/{name}",
        "put /calendars/{name}",
        "delete /calendars/{name}",
    }


def test_every_operation_can_be_refused_in_the_documented_ways(
    document: dict[str, Any],
) -> None:
    for methods in document["paths"].values():
        for operation in methods.values():
            assert {"401", "403", "500", "503"} <= operation["responses"].keys()
            assert operation["security"] == [{"BearerToken": []}, {"SessionCookie": []}]


def test_a_submission_takes_every_option_of_submit() -> None:
    assert SubmitIn.model_fields.keys() == Options.__dataclass_fields__.keys() | {
        "task",
        "args",
    }


def test_answers_to_submissions_are_as_documented(
    api: Api, document: dict[str, Any]
) -> None:
    jobs = "/api/v1/jobs"
    good = {"args": {"a": 1}, "idempotency_key": "k"}
    answers = [
        api.submit("tests.sample.add", **good),
        api.submit("tests.sample.add", **good),
        api.submit("tests.sample.add", args={"a": 2}, idempotency_key="k"),
        api.submit("nothing"),
        api.submit("greet", args={"name": "x" * 300_000}),
        api.post("/jobs", b"{"),
        api.post("/jobs", b"{}", content_type="text/plain"),
        Api().submit("greet"),
    ]
    statuses = [answer.status_code for answer in answers]
    assert statuses == [202, 200, 409, 422, 413, 400, 415, 401]
    for answer in answers:
        assert_true_to(document, jobs, "post", answer)


def test_answers_about_jobs_are_as_documented(
    api: Api, reader: Api, document: dict[str, Any]
) -> None:
    job_id = api.submit("tests.sample.add", args={"a": 1}).json()["id"]
    assert_true_to(document, "/api/v1/jobs", "get", api.get("/jobs"))
    assert_true_to(document, "/api/v1/jobs", "get", api.get("/jobs", limit=0))
    assert_true_to(document, JOB, "get", api.get(f"/jobs/{job_id}"))
    assert_true_to(document, JOB, "get", api.get("/jobs/nobody"))
    for verb in ("retry", "stop", "cancel", "retry"):
        path = f"{JOB}/{verb}"
        for who in (api, reader):
            assert_true_to(document, path, "post", who.post(f"/jobs/{job_id}/{verb}"))


def test_answers_about_queues_and_tasks_are_as_documented(
    api: Api, document: dict[str, Any]
) -> None:
    api.submit("greet", args={"name": "x"})
    for path in ("/queues", "/tasks"):
        assert_true_to(document, f"/api/v1{path}", "get", api.get(path))


def test_queues_tell_what_waits(api: Api) -> None:
    job_id = api.submit("greet", args={"name": "x"}).json()["id"]
    queues = {queue["name"]: queue for queue in api.get("/queues").json()["queues"]}
    emails = queues["emails"]
    assert (emails["waiting"], emails["running"], emails["workers"]) == (1, 0, 0)
    assert emails["oldest"]["id"] == job_id


def test_tasks_tell_their_schema(api: Api) -> None:
    tasks = {task["name"]: task for task in api.get("/tasks").json()["tasks"]}
    greet = tasks["greet"]
    assert (greet["queue"], greet["timeout"], greet["tags"]) == ("emails", 30, ["mail"])
    assert greet["schema"]["properties"]["loudly"]["type"] == "boolean"
    assert greet["schema"]["required"] == ["name"]
