from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tasks.models import Backfill, Schedule
from tasks.states import State
from tests.dashboard.schedules import MORNING, find, make_fire, make_schedule, words
from tests.dashboard.soup import Soup
from tests.factories import create_job

pytestmark = pytest.mark.django_db(transaction=True)

ASK = "/schedules/nightly/backfill/"
START = "/schedules/nightly/backfill/start/"
ONE = "/schedules/nightly/"

#: Three mornings in Shanghai.
RANGE = {
    "fill-first_at": "2026-03-02T00:00",
    "fill-last_at": "2026-03-05T00:00",
    "fill-reprocess": "none",
    "fill-at_once": "2",
}


def look(client: Client, url: str, **query: str) -> Soup:
    response = client.get(url, query)
    assert response.status_code == 200
    return Soup(response.content)


def begin(client: Client, **changes: str) -> Any:
    return client.post(START, RANGE | changes)


def row(client: Client) -> str:
    backfill = Backfill.objects.get()
    return words(find(look(client, ONE), "tr", id=f"backfill-{backfill.pk}"))


def said(client: Client, url: str) -> str:
    response = client.post(url, follow=True)
    return find(Soup(response.content), "p", role="status").text


@pytest.fixture(autouse=True)
def _schedule() -> None:
    make_schedule()


def test_the_form_begins_with_yesterday_and_runs_nothing(operator: Client) -> None:
    soup = look(operator, ASK)
    first = find(soup, "input", name="fill-first_at").attrs["value"]
    last = find(soup, "input", name="fill-last_at").attrs["value"]
    assert first.endswith("T00:00")
    assert first < last
    assert soup.find("form", action=START) is None


def test_a_dry_run_lists_what_would_run(operator: Client) -> None:
    make_fire(make_schedule("other"))
    plan = find(look(operator, ASK, **RANGE), "section", id="plan")
    assert "3 moments would run." in words(plan)
    times = [one.text for one in plan.find_all("time")]
    assert times == [
        "Mon 2026-03-02 09:00",
        "Tue 2026-03-03 09:00",
        "Wed 2026-03-04 09:00",
    ]
    assert not Backfill.objects.exists()


def test_what_ran_is_left_out_and_counted(operator: Client) -> None:
    make_fire(Schedule.objects.get(), days=1, job_key="j1")
    plan = words(find(look(operator, ASK, **RANGE), "section", id="plan"))
    assert "2 moments would run. 1 other ran already." in plan


def test_the_newest_come_first_where_wanted(operator: Client) -> None:
    wanted = RANGE | {"fill-newest_first": "true"}
    plan = find(look(operator, ASK, **wanted), "section", id="plan")
    assert find(plan, "time").text == "Wed 2026-03-04 09:00"


def test_the_dry_run_is_begun_by_its_own_button(operator: Client) -> None:
    plan = find(look(operator, ASK, **RANGE), "section", id="plan")
    form = find(plan, "form", action=START)
    hidden = {
        node.attrs["name"]: node.attrs["value"] for node in form.find_all("input")
    }
    response = operator.post(START, hidden)
    assert (response.status_code, response["Location"]) == (303, f"{ONE}#backfills")
    made = Backfill.objects.get()
    assert (made.first_at, made.total, made.at_once) == (
        MORNING.replace(hour=16, day=1),
        3,
        2,
    )
    assert "0/3" in row(operator)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"fill-last_at": "2026-03-01T00:00"}, "fill-last_at-problem"),
        ({"fill-last_at": "2199-03-01T00:00"}, "fill-last_at-problem"),
        ({"fill-first_at": "soon"}, "fill-first_at-problem"),
        ({"fill-at_once": "many"}, "fill-at_once-problem"),
        ({"fill-at_once": "0"}, "fill-at_once-problem"),
        ({"fill-reprocess": "some"}, "fill-reprocess-problem"),
    ],
)
def test_a_range_that_cannot_work_is_told_beside_its_input(
    operator: Client, changes: dict[str, str], problem: str
) -> None:
    response = begin(operator, **changes)
    assert response.status_code == 422
    assert Soup(response.content).find("p", id=problem)
    assert not Backfill.objects.exists()


def test_it_is_paused_goes_on_and_is_aborted(operator: Client) -> None:
    begin(operator)
    number = Backfill.objects.get().pk
    base = f"/schedules/-/backfills/{number}"
    assert "running" in row(operator)
    assert "is paused" in said(operator, f"{base}/pause/")
    assert "paused" in row(operator)
    assert "goes on" in said(operator, f"{base}/go-on/")
    assert "is aborted" in said(operator, f"{base}/abort/")
    assert "aborted" in row(operator)
    assert "make another one" in said(operator, f"{base}/go-on/")


def test_its_fires_are_a_link_away(operator: Client) -> None:
    begin(operator)
    backfill = Backfill.objects.get()
    job = create_job(state=State.FINISHED)
    make_fire(backfill.schedule, backfill=backfill, job_key=job.id)
    make_fire(backfill.schedule, days=9)
    assert "1/3" in row(operator)
    soup = look(operator, ONE, backfill=str(backfill.pk))
    fires = find(soup, "section", id="fires")
    assert len(find(fires, "tbody").find_all("tr")) == 1
    assert fires.find("a", href=f"/jobs/{job.id}/")


def test_an_abort_asks_first_and_its_jobs_are_no_failures(operator: Client) -> None:
    begin(operator)
    backfill = Backfill.objects.get()
    ask = find(look(operator, ONE), "details", id=f"confirm-abort-{backfill.pk}")
    button = find(ask, "button")
    assert (button.text, button.attrs["form"]) == ("Abort this backfill", "act")
    job = create_job(state=State.CANCELED)
    make_fire(backfill.schedule, backfill=backfill, job_key=job.id)
    operator.post(button.attrs["formaction"])
    assert "0 · 1 canceled" in row(operator)


def test_the_history_names_the_backfill(operator: Client) -> None:
    begin(operator)
    backfill = Backfill.objects.get()
    links = look(operator, ONE).find_all("a", href=f"?backfill={backfill.pk}#fires")
    assert f"Backfill {backfill.pk}" in [one.text for one in links]


@pytest.mark.parametrize("number", ["0", "x", "9" * 30])
def test_a_number_that_nobody_has_is_a_404_page(operator: Client, number: str) -> None:
    url = f"/schedules/-/backfills/{number}/pause/"
    assert operator.post(url).status_code == 404
