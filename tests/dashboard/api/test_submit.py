from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError
from django.test import override_settings

from dashboard.api.bodies import BODY_LIMIT
from tasks.models import Dependency, Job
from tests.dashboard.api.conftest import Api, assert_problem

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_job_is_accepted_with_its_address(api: Api) -> None:
    response = api.submit("tests.sample.add", args={"a": 1})
    assert response.status_code == 202
    body = response.json()
    assert body == {
        "id": body["id"],
        "state": "queued",
        "url": f"/api/v1/jobs/{body['id']}",
    }
    assert response["Location"] == body["url"]
    job = Job.objects.get(pk=body["id"])
    assert (job.task, job.submitted_by) == ("tests.sample.add", "api · robot")
    assert job.kwargs == {"a": 1}


def test_every_option_reaches_the_job(api: Api) -> None:
    parent = api.submit("tests.sample.add", args={"a": 1}).json()["id"]
    response = api.submit(
        "tests.sample.add",
        args={"a": 1},
        id="mine",
        queue="low",
        depends_on=[parent],
        allow_failure=True,
        retries=3,
        backoff=1.5,
        tags=["x"],
        at_front=True,
        timeout=9,
        idempotency_key="k",
        description="why",
    )
    assert response.json()["state"] == "deferred"
    job = Job.objects.get(pk="mine")
    assert (job.queue, job.retries, job.backoff, job.timeout) == ("low", 3, 1.5, 9)
    assert (job.allow_failure, job.at_front, job.tags) == (True, True, ["x"])
    assert (job.idempotency_key, job.description) == ("k", "why")
    assert Dependency.objects.get(child="mine").parent == parent


def test_a_delay_and_a_moment_make_a_scheduled_job(api: Api) -> None:
    delayed = api.submit("tests.sample.add", args={"a": 1}, delay=60)
    assert delayed.json()["state"] == "scheduled"
    moment = datetime.now(UTC) + timedelta(hours=1)
    at = api.submit("tests.sample.add", args={"a": 1}, at=moment.isoformat())
    assert Job.objects.get(pk=at.json()["id"]).due_at == moment


def test_an_idempotent_repeat_returns_the_first_job(api: Api) -> None:
    first = api.submit("tests.sample.add", args={"a": 1}, idempotency_key="k")
    again = api.submit("tests.sample.add", args={"a": 1}, idempotency_key="k")
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["id"] == again.json()["id"]
    other = api.submit("tests.sample.add", args={"a": 2}, idempotency_key="k")
    body = assert_problem(other, 409, "idempotency-conflict")
    assert body["job"] == first.json()["id"]


def test_a_used_id_is_refused(api: Api) -> None:
    api.submit("tests.sample.add", args={"a": 1}, id="mine")
    again = api.submit("tests.sample.add", args={"a": 1}, id="mine")
    assert assert_problem(again, 409, "job-exists")["job"] == "mine"


def test_wrong_arguments_are_named(api: Api) -> None:
    response = api.submit("tests.sample.add", args={"a": "x", "c": 1})
    body = assert_problem(response, 422, "invalid-arguments")
    assert body["errors"] == {
        "args.a": "must be a whole number",
        "args.c": "is not an argument of this task",
    }


def test_an_unknown_task_suggests_the_nearest(api: Api) -> None:
    body = assert_problem(api.submit("tests.sample.ad"), 422, "task-not-registered")
    assert "Did you mean tests.sample.add?" in body["errors"]["task"]


def test_unknown_fields_are_refused_and_named(api: Api) -> None:
    body = assert_problem(api.submit("greet", qeue="x"), 422, "invalid-request")
    assert body["errors"] == {"qeue": "is not a field of this request"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "a b"),
        ("id", "x" * 256),
        ("queue", "two words"),
        ("delay", -1),
        ("delay", 1e300),
        ("delay", "soon"),
        ("at", "tomorrow"),
        ("at", "2026-01-01T00:00:00"),
        ("at", 5),
        ("at", "9999-12-31T23:59:59Z"),
        ("at", "9999-12-31T23:59:59-14:00"),
        ("at", "0001-01-01T00:00:00+14:00"),
        ("at", "20270101"),
        ("at", "-1.5"),
        ("depends_on", ["nobody"]),
        ("depends_on", "nobody"),
        ("retries", -1),
        ("retries", 10**30),
        ("retries", 1.5),
        ("retries", "3"),
        ("backoff", -1),
        ("timeout", 0),
        ("tags", "word"),
        ("tags", [""]),
        ("at_front", "yes"),
        ("idempotency_key", ""),
        ("idempotency_key", "k" * 256),
        ("description", "d" * 1001),
        ("task", 5),
        ("args", [1]),
    ],
)
def test_an_option_that_cannot_work_is_named(
    api: Api, field: str, value: object
) -> None:
    body = {"args": {"a": 1}, field: value}
    response = api.post("/jobs", {"task": "tests.sample.add", **body})
    assert response.status_code == 422, response.content
    named = {name.partition(".")[0] for name in response.json()["errors"]}
    assert named == {field}
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe{",
        b"[" * 100_000,
        b'{"task": "greet", "args": {"name": NaN}}',
        b'{"task": "greet", "args": {"name": 1e999}}',
        b'{"task": "greet", "args": {"name": "\\ud800"}}',
        b'{"task": "greet", "args": {"name": "\\u0000"}}',
        b'{"task": "greet", "args": {"n": ' + b"9" * 100_000 + b"}}",
    ],
)
def test_what_is_not_json_is_refused_at_once(api: Api, body: bytes) -> None:
    began = time.process_time()
    assert_problem(api.post("/jobs", body), 400)
    assert time.process_time() - began < 2


@pytest.mark.parametrize("body", [b"[1]", b"5", b"null", b'"x"', b"{}"])
def test_json_that_is_no_call_is_refused(api: Api, body: bytes) -> None:
    assert_problem(api.post("/jobs", body), 422, "invalid-request")


@pytest.mark.parametrize("depth", [90, 300, 600])
def test_deep_arguments_never_break_the_server(api: Api, depth: int) -> None:
    deep = "[" * depth + "]" * depth
    body = '{"task": "greet", "args": {"name": %s}}' % deep  # noqa: UP031 - braces
    assert api.post("/jobs", body).status_code in (400, 422)


def test_escaped_backslashes_are_no_nul(api: Api) -> None:
    body = json.dumps({"task": "greet", "args": {"name": "\\u0000 \\\\u0000"}})
    assert api.post("/jobs", body).status_code == 202


def test_other_content_types_are_refused(api: Api) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded"):
        response = api.post("/jobs", "{}", content_type=content_type)
        assert_problem(response, 415)


def test_a_body_over_the_limit_is_refused_unread(api: Api) -> None:
    response = api.post("/jobs", b" " * (BODY_LIMIT + 1))
    assert_problem(response, 413)


def test_arguments_over_the_limit_say_what_to_do_instead(api: Api) -> None:
    response = api.submit("greet", args={"name": "x" * 300_000})
    body = assert_problem(response, 413, "payload-too-large")
    assert "pass its path or id instead" in body["detail"]


@pytest.mark.usefixtures("full_redis")
def test_a_redis_that_is_full_is_507_with_the_way_out(api: Api) -> None:
    response = api.submit("greet", args={"name": "x"})
    body = assert_problem(response, 507, "broker-full")
    assert "raise maxmemory" in body["detail"]
    assert not Job.objects.exists()


def test_a_body_without_its_length_is_refused(api: Api) -> None:
    response = api.client.generic("POST", "/api/v1/jobs", CONTENT_LENGTH="")
    assert_problem(response, 411)


def test_a_read_only_token_cannot_submit(reader: Api) -> None:
    response = reader.submit("greet", args={"name": "x"})
    body = assert_problem(response, 403, "permission-missing")
    assert "tasks.submit_job" in body["detail"]
    assert not Job.objects.exists()


def test_a_database_that_is_away_is_503(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_args: object, **_options: object) -> None:
        raise OperationalError("could not connect to db.internal")

    monkeypatch.setattr("dashboard.api.jobs.submit", away)
    response = api.submit("greet", args={"name": "x"})
    assert "internal" not in assert_problem(response, 503)["detail"]


@override_settings(DEBUG=False)
def test_a_fault_of_ours_tells_nothing(
    monkeypatch: pytest.MonkeyPatch, api: Api
) -> None:
    def broken(*_args: object, **_options: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr("dashboard.api.jobs.submit", broken)
    api.client.raise_request_exception = False
    response = api.submit("greet", args={"name": "x"})
    assert_problem(response, 500)
    assert b"secret" not in response.content
