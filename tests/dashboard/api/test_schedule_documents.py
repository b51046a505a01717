from __future__ import annotations

import pytest
from django.utils import timezone

from dashboard.api.bodies import BODY_LIMIT
from tasks.models import Schedule
from tests.dashboard.api.conftest import Api, assert_problem
from tests.dashboard.api.test_openapi import assert_true_to
from tests.timetable import create_schedule

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "/schedule-document"


def exported(api: Api, **query: object) -> str:
    response = api.get(PATH, **query)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/yaml; charset=utf-8"
    text: str = response.content.decode()
    return text


def test_what_was_exported_changes_nothing_when_it_is_imported(api: Api) -> None:
    for name in ("a", "b"):
        create_schedule(name, now=timezone.now(), jitter=60)
    text = exported(api)
    body = api.post(PATH, {"document": text}).json()
    assert body["applied"]
    assert [(one["verb"], one["name"]) for one in body["changes"]] == [
        ("same", "a"),
        ("same", "b"),
    ]
    only = exported(api, name="b")
    assert "name: b" in only
    assert "name: a" not in only


def test_a_dry_run_shows_the_changes_and_makes_none(api: Api, reader: Api) -> None:
    create_schedule("a", now=timezone.now())
    create_schedule("gone", now=timezone.now())
    document = (
        "- name: a\n  jitter: 60\n"
        "- name: b\n  task: tests.sample.add\n  kwargs: {a: 1}\n"
        "  expression: 0 9 * * *\n"
        "- name: c\n  task: shop.gone\n  expression: 0 9 * * *\n"
    )
    wanted = {"document": document, "prune": True}
    body = reader.post(PATH, {**wanted, "dry_run": True}).json()
    assert not body["applied"]
    verbs = {one["name"]: one["verb"] for one in body["changes"]}
    assert verbs == {"a": "change", "b": "create", "gone": "delete"}
    assert body["changes"][0]["fields"] == {"jitter": {"old": 0, "new": 60}}
    assert [one["name"] for one in body["refusals"]] == ["c"]
    response = api.post(PATH, wanted)
    refused = assert_problem(response, 422, "invalid-option")
    assert list(refused["errors"]) == ["document"]
    assert "shop.gone" in refused["errors"]["document"]
    assert set(Schedule.objects.values_list("name", flat=True)) == {"a", "gone"}
    good = document.partition("- name: c")[0]
    assert api.post(PATH, {"document": good, "prune": True}).json()["applied"]
    assert set(Schedule.objects.values_list("name", flat=True)) == {"a", "b"}


@pytest.mark.parametrize("text", ["- name: [", "7", "- nam: x\n"])
def test_a_document_that_cannot_be_read_says_in_which_line(api: Api, text: str) -> None:
    body = assert_problem(api.post(PATH, {"document": text}), 422, "invalid-option")
    assert list(body["errors"]) == ["document"]
    assert "line 1" in body["detail"]


def test_a_document_over_the_limit_is_told_where_to_go(api: Api) -> None:
    response = api.post(PATH, {"document": "x" * BODY_LIMIT})
    body = assert_problem(response, 413)
    assert "manage.py schedules import FILE" in body["detail"]


def test_a_read_only_token_may_not_import(reader: Api) -> None:
    create_schedule(now=timezone.now())
    text = exported(reader)
    response = reader.post(PATH, {"document": text})
    assert_problem(response, 403, "permission-missing")


def test_answers_are_as_documented(api: Api) -> None:
    document = api.get("/openapi.json").json()
    path = f"/api/v1{PATH}"
    create_schedule(now=timezone.now())
    text = exported(api)
    for body in ({"document": text}, {"document": text, "dry_run": True}, {}, b"{"):
        assert_true_to(document, path, "post", api.post(PATH, body))
    assert_true_to(document, path, "get", api.get(PATH, name="nobody"))
    said = document["paths"][path]["get"]["responses"]["200"]["content"]
    assert list(said) == ["application/yaml"]


def test_a_name_that_none_can_have_is_named_as_it_was_sent(api: Api) -> None:
    response = api.get(PATH, name="a\0b")
    body = assert_problem(response, 422, "invalid-request")
    assert body["errors"] == {"name.0": "must not contain a NUL character"}
