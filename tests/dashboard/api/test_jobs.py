from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from tasks import stored_words
from tasks.errors import BrokerUnavailable
from tasks.models import Attempt, Audit, Dependency
from tasks.states import State
from tests.dashboard.api.conftest import Api, assert_problem, finished_job
from tests.factories import create_attempt, create_job

OLD = {"done": 1, "total": 4, "text": "old"}

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_finished_job_has_its_result_as_json(api: Api) -> None:
    job = finished_job(result='{"sum": 3}', result_size=10, tags=["x"])
    Dependency.objects.create(child=job.id, parent="before")
    body = api.get(f"/jobs/{job.id}").json()
    assert (body["state"], body["result"]) == ("finished", {"sum": 3})
    assert (body["result_cut"], body["error"]) == (False, None)
    assert (body["args"], body["positional"]) == ({"a": 1, "b": 2}, [])
    assert (body["depends_on"], body["tags"]) == (["before"], ["x"])
    assert body["url"] == f"/api/v1/jobs/{job.id}"


def test_a_result_that_was_cut_is_text_and_says_so(api: Api) -> None:
    job = finished_job(result='["aaaa', result_size=1000)
    body = api.get(f"/jobs/{job.id}").json()
    assert (body["result"], body["result_cut"]) == ('["aaaa', True)


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("NaN", "NaN"),
        ("null", None),
        ("not json", "not json"),
        ("[" * 400 + "]" * 400, "[" * 400 + "]" * 400),
        ("[" * 5000 + "]" * 5000, "[" * 5000 + "]" * 5000),
    ],
)
def test_no_result_breaks_the_answer(api: Api, stored: str, shown: object) -> None:
    job = finished_job(result=stored, result_size=len(stored))
    assert api.get(f"/jobs/{job.id}").json()["result"] == shown


def test_a_failed_job_has_its_error_and_attempts(api: Api) -> None:
    now = timezone.now()
    job = finished_job(state=State.FAILED, error="ValueError", message="no luck")
    for number in (1, 2):
        Attempt.objects.create(
            id=f"a{number}",
            job_key=job.id,
            number=number,
            state=State.FAILED,
            worker="w",
            started_at=now,
            ended_at=now,
            error="ValueError",
            message="no luck",
            traceback="Traceback …",
        )
    body = api.get(f"/jobs/{job.id}").json()
    assert body["error"] == {"type": "ValueError", "message": "no luck"}
    assert [attempt["number"] for attempt in body["attempts"]] == [1, 2]
    assert body["attempts"][1]["traceback"] == "Traceback …"


def test_progress_is_live_while_a_job_runs(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = finished_job(
        state=State.STARTED, progress={"done": 1, "total": 4, "text": "old"}
    )
    live = SimpleNamespace(done=3, total=4, text="new")
    monkeypatch.setattr(
        "dashboard.api.shapes.read_progress", lambda ids: {ids[0]: live}
    )
    body = api.get(f"/jobs/{job.id}").json()
    assert body["progress"] == {"done": 3, "total": 4, "text": "new"}


def test_without_redis_the_last_progress_is_shown(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_ids: object) -> None:
        raise BrokerUnavailable("gone")

    job = finished_job(
        state=State.STARTED, progress={"done": 1, "total": 4, "text": "old"}
    )
    monkeypatch.setattr("dashboard.api.shapes.read_progress", away)
    assert api.get(f"/jobs/{job.id}").json()["progress"]["done"] == 1


@pytest.mark.parametrize("job_id", ["a/b c?d#e%f", "日本", "x" * 255, "a..b", "cancel"])
def test_any_text_can_be_an_id(api: Api, job_id: str) -> None:
    finished_job(id=job_id)
    url = api.get("/jobs").json()["jobs"][0]["url"]
    assert api.client.get(url).json()["id"] == job_id


@pytest.mark.parametrize("job_id", ["nobody", "%00", "%ff", "x" * 3000])
def test_an_unknown_job_is_404(api: Api, job_id: str) -> None:
    assert_problem(api.get(f"/jobs/{job_id}"), 404, "job-not-found")


def test_the_list_is_newest_first_and_goes_on_by_cursor(api: Api) -> None:
    now = timezone.now()
    for number in range(5):
        # Two of them share their moment: the id decides.
        at = now - timedelta(seconds=number // 2)
        finished_job(id=f"job-{9 - number}", created_at=at)
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = api.get("/jobs", limit=2, cursor=cursor).json()
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["next"]
    assert seen == ["job-9", "job-8", "job-7", "job-6", "job-5"]


def test_the_list_is_filtered(api: Api) -> None:
    finished_job(id="a", state=State.FAILED, queue="low")
    finished_job(id="b", task="greet")

    def ids(**query: str) -> list[str]:
        return [job["id"] for job in api.get("/jobs", **query).json()["jobs"]]

    assert ids(state="failed") == ["a"]
    assert ids(queue="low") == ["a"]
    assert ids(task="greet") == ["b"]
    assert ids(task="greet", state="failed") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", "Failed"),
        ("limit", "0"),
        ("limit", "501"),
        ("limit", "ten"),
        ("limit", "9" * 5000),
        ("cursor", "rubbish"),
        ("cursor", "9" * 30 + "~x"),
        ("task", "a\0b"),
        ("stat", "failed"),
        ("state__in", "failed"),
        ("_connector", "OR"),
    ],
)
def test_a_wrong_filter_is_refused_and_named(api: Api, name: str, value: str) -> None:
    body = assert_problem(api.get("/jobs", **{name: value}), 422, "invalid-request")
    assert list(body["errors"]) == [name]


def test_a_list_costs_one_query_beside_the_token(
    api: Api, django_assert_num_queries: Callable[..., object]
) -> None:
    for _number in range(3):
        finished_job()
    api.get("/jobs")
    with django_assert_num_queries(2):  # type: ignore[attr-defined]
        api.get("/jobs")


def test_a_waiting_job_is_canceled(api: Api) -> None:
    job_id = api.submit("tests.sample.add", args={"a": 1}).json()["id"]
    response = api.post(f"/jobs/{job_id}/cancel")
    assert response.status_code == 200, response.content
    assert (response.json()["id"], response.json()["state"]) == (job_id, "canceled")
    entry = Audit.objects.get(target=job_id, verb="cancel")
    assert (entry.actor, entry.via) == ("robot", "api")


def test_a_canceled_job_is_retried(api: Api) -> None:
    job_id = api.submit("tests.sample.add", args={"a": 1}).json()["id"]
    api.post(f"/jobs/{job_id}/cancel")
    response = api.post(f"/jobs/{job_id}/retry")
    assert (response.status_code, response.json()["state"]) == (200, "queued")


@pytest.mark.parametrize("verb", ["retry", "stop"])
def test_a_verb_that_the_state_does_not_allow_is_409(api: Api, verb: str) -> None:
    job_id = api.submit("tests.sample.add", args={"a": 1}).json()["id"]
    response = api.post(f"/jobs/{job_id}/{verb}")
    body = assert_problem(response, 409, "transition-not-allowed")
    assert (body["state"], body["job"]) == ("queued", job_id)


@pytest.mark.parametrize("verb", ["cancel", "stop", "retry"])
def test_no_verb_applies_to_an_unknown_job(api: Api, verb: str) -> None:
    assert_problem(api.post(f"/jobs/nobody/{verb}"), 404, "job-not-found")
    assert_problem(api.post(f"/jobs/%00/{verb}"), 404, "job-not-found")


@pytest.mark.usefixtures("foreign_reader")
def test_sentences_of_the_ledger_are_told_in_the_callers_language(api: Api) -> None:
    words = {"error": "Stopped", "message": stored_words.STOPPED}
    job = create_job(
        state=State.STOPPED, unreadable=stored_words.PICKLED_ARGUMENTS, **words
    )
    create_attempt(job)
    body = api.get(f"/jobs/{job.id}").json()
    said = f"« {stored_words.STOPPED} »"
    assert body["error"] == {"type": "Stopped", "message": said}
    assert body["attempts"][0]["message"] == said
    assert body["unreadable"] == f"« {stored_words.PICKLED_ARGUMENTS} »"
