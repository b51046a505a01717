from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks.models import Job
from tasks.states import State
from tests.dashboard.soup import Soup
from tests.factories import OPERATOR, VIEWER, create_job, create_user

pytestmark = pytest.mark.django_db(transaction=True)

GREET = "/tasks/greet/"
RUN = "/tasks/greet/run/"
LIVE = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "div#live"}


@pytest.fixture
def viewer(client: Client) -> Client:
    client.force_login(create_user("vera", permissions=VIEWER))
    return client


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(create_user("otto", permissions=OPERATOR))
    return client


def get(client: Client, url: str, **headers: Any) -> Soup:
    response = client.get(url, **headers)
    assert response.status_code == 200
    return Soup(response.content)


def field(soup: Soup, name: str, tag: str = "input") -> Any:
    return soup.find(tag, name=name)


# The list.


def test_the_list_needs_a_sign_in(client: Client) -> None:
    assert "sign-in" in client.get("/tasks/")["Location"]


def test_the_list_needs_the_permission_to_view(client: Client) -> None:
    client.force_login(create_user(permissions=()))
    assert client.get("/tasks/").status_code == 403


def test_every_registered_task_is_listed(viewer: Client) -> None:
    soup = get(viewer, "/tasks/")
    assert soup.find("tr", id="task-greet") is not None
    assert soup.find("tr", id="task-tests.sample.add") is not None


def test_runs_and_failures_of_the_last_day_are_counted(viewer: Client) -> None:
    create_job(task="greet", state=State.FINISHED)
    create_job(task="greet", state=State.FAILED)
    create_job(
        task="greet",
        state=State.FAILED,
        created_at=timezone.now() - timedelta(hours=30),
    )
    cells = get(viewer, "/tasks/").find("tr", id="task-greet").find_all("td")
    assert [cell.text for cell in cells[3:]] == ["2", "1", "3 s", "3 s"]


def test_the_list_costs_the_same_for_more_jobs(
    viewer: Client, django_assert_num_queries: Any
) -> None:
    for number in range(5):
        create_job(task=f"t{number}", state=State.FINISHED)
    with CaptureQueriesContext(connection) as few:
        get(viewer, "/tasks/")
    for number in range(5, 10):
        create_job(task=f"t{number}", state=State.FINISHED)
    with django_assert_num_queries(len(few)):
        get(viewer, "/tasks/")


def test_the_list_is_live(viewer: Client) -> None:
    assert get(viewer, "/tasks/", **LIVE).find("html") is None


# The page of one.


def test_the_form_comes_from_the_signature(operator: Client) -> None:
    soup = get(operator, GREET)
    name = field(soup, "arg-name")
    assert (name.attrs["type"], "required" in name.attrs) == ("text", True)
    assert field(soup, "arg-loudly").attrs["type"] == "checkbox"


def test_every_input_has_a_label(operator: Client) -> None:
    soup = get(operator, GREET)
    form = soup.find("form", id="run")
    labelled = {label.attrs["for"] for label in form.find_all("label")}
    inputs = [
        node.id
        for tag in ("input", "select", "textarea")
        for node in form.find_all(tag)
        if node.attrs.get("type") != "hidden"
    ]
    assert set(inputs) == labelled


def test_a_viewer_gets_no_form(viewer: Client) -> None:
    assert get(viewer, GREET).find("form", id="run") is None


def test_the_live_part_holds_no_form(operator: Client) -> None:
    assert get(operator, GREET, **LIVE).find("form") is None


def test_a_task_that_is_not_registered_is_a_404_page(viewer: Client) -> None:
    assert viewer.get("/tasks/nobody.knows/").status_code == 404


def test_an_earlier_job_fills_the_form(operator: Client) -> None:
    job = create_job(task="greet", kwargs={"name": "Ada", "loudly": True})
    soup = get(operator, f"{GREET}?from={job.id}")
    assert field(soup, "arg-name").attrs["value"] == "Ada"
    assert "checked" in field(soup, "arg-loudly").attrs


def test_arguments_by_position_fill_the_form_too(operator: Client) -> None:
    job = create_job(task="greet", args=["Ada"], kwargs={})
    soup = get(operator, f"{GREET}?from={job.id}")
    assert field(soup, "arg-name").attrs["value"] == "Ada"


@pytest.mark.parametrize("job_id", ["gone", "%00", ""])
def test_a_job_that_cannot_fill_the_form_leaves_it_empty(
    operator: Client, job_id: str
) -> None:
    assert (
        field(get(operator, f"{GREET}?from={job_id}"), "arg-name").attrs["value"] == ""
    )


def test_arguments_of_another_task_are_not_taken(operator: Client) -> None:
    job = create_job(task="tests.sample.fail", kwargs={"name": "Ada"})
    soup = get(operator, f"{GREET}?from={job.id}")
    assert field(soup, "arg-name").attrs["value"] == ""


def test_the_page_costs_the_same_for_more_jobs(
    viewer: Client, django_assert_num_queries: Any
) -> None:
    create_job(task="greet", state=State.FINISHED)
    with CaptureQueriesContext(connection) as few:
        get(viewer, GREET)
    for _number in range(9):
        create_job(task="greet", state=State.FINISHED)
    with django_assert_num_queries(len(few)):
        get(viewer, GREET)


# Running it.


def test_a_form_that_fits_submits_a_job(operator: Client) -> None:
    response = operator.post(
        RUN, {"arg-name": "Ada", "arg-loudly": "true", "opt-queue": "low"}
    )
    job = Job.objects.get()
    assert (response.status_code, response["Location"]) == (303, f"/jobs/{job.id}/")
    assert (job.task, job.queue, job.kwargs) == (
        "greet",
        "low",
        {"name": "Ada", "loudly": True},
    )
    assert "otto" in job.submitted_by


def test_an_argument_that_does_not_fit_is_marked_and_the_input_kept(
    operator: Client,
) -> None:
    response = operator.post(
        "/tasks/tests.sample.add/run/", {"arg-a": "many", "arg-b": "5"}
    )
    assert response.status_code == 422
    soup = Soup(response.content)
    wrong = field(soup, "arg-a")
    assert (wrong.attrs["value"], wrong.attrs["aria-invalid"]) == ("many", "true")
    assert soup.find("p", id="arg-a-problem") is not None
    assert field(soup, "arg-b").attrs["value"] == "5"
    assert not Job.objects.exists()


def test_an_option_that_does_not_fit_unfolds_the_options(operator: Client) -> None:
    response = operator.post(RUN, {"arg-name": "Ada", "opt-queue": "no blanks"})
    soup = Soup(response.content)
    assert response.status_code == 422
    assert "open" in soup.find("details", id="options").attrs
    assert soup.find("p", id="opt-queue-problem") is not None


def test_a_repeated_key_leads_to_the_first_job(operator: Client) -> None:
    posted = {"arg-name": "Ada", "opt-idempotency_key": "k1"}
    first = operator.post(RUN, posted)
    again = operator.post(RUN, posted)
    assert first["Location"] == again["Location"]


def test_a_key_with_other_arguments_is_refused_at_its_input(operator: Client) -> None:
    operator.post(RUN, {"arg-name": "Ada", "opt-idempotency_key": "k1"})
    response = operator.post(RUN, {"arg-name": "Bob", "opt-idempotency_key": "k1"})
    assert response.status_code == 422
    assert (
        Soup(response.content).find("p", id="opt-idempotency_key-problem") is not None
    )


def test_arguments_that_are_too_large_are_refused_with_a_sentence(
    operator: Client,
) -> None:
    response = operator.post(RUN, {"arg-name": "x" * 300_000})
    assert response.status_code == 422
    assert "256" in Soup(response.content).find("div", id="problems").text


@pytest.mark.usefixtures("full_redis")
def test_a_redis_that_is_full_keeps_the_input_and_says_why(operator: Client) -> None:
    response = operator.post(RUN, {"arg-name": "Ann"})
    assert response.status_code == 422
    assert b"new jobs are refused" in response.content
    assert b"Ann" in response.content
    assert not Job.objects.exists()


def test_running_rejects_get(operator: Client) -> None:
    assert operator.get(RUN).status_code == 405


def test_running_needs_a_sign_in(client: Client) -> None:
    response = client.post(RUN, {"arg-name": "Ada"})
    assert "sign-in" in response["Location"]
    assert not Job.objects.exists()


def test_running_needs_its_permission(viewer: Client) -> None:
    assert viewer.post(RUN, {"arg-name": "Ada"}).status_code == 403
    assert not Job.objects.exists()


def test_running_needs_its_token() -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(create_user("otto", permissions=OPERATOR))
    assert strict.post(RUN, {"arg-name": "Ada"}).status_code == 403


def test_running_what_is_not_registered_is_a_404_page(operator: Client) -> None:
    assert operator.post("/tasks/nobody.knows/run/", {}).status_code == 404


def test_markup_that_was_typed_comes_back_inert(operator: Client) -> None:
    markup = '"><img src=x onerror=alert(1)>'
    response = operator.post(
        RUN, {"arg-name": markup, "opt-timeout": markup, "source": markup}
    )
    assert Soup(response.content).find("img") is None


def test_all_problems_are_said_at_once(operator: Client) -> None:
    response = operator.post(
        "/tasks/tests.sample.add/run/", {"arg-a": "many", "opt-delay": "soon"}
    )
    soup = Soup(response.content)
    assert soup.find("p", id="arg-a-problem") is not None
    assert soup.find("p", id="opt-delay-problem") is not None
