from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from tasks import stored_words
from tasks.broker.snapshot import Snapshot
from tasks.models import Job
from tasks.states import State
from tests.dashboard.soup import Node, Soup
from tests.factories import create_job, lose_job
from tests.snapshots import make_snapshot

pytestmark = pytest.mark.django_db

SET_ASIDE = [State.LOST, State.QUARANTINED]


@pytest.fixture(autouse=True)
def _redis(show_snapshot: Callable[[Snapshot], None]) -> None:
    show_snapshot(make_snapshot())


def look(client: Client, job: Job) -> Soup:
    return Soup(client.get(f"/jobs/{job.id}/").content)


def banner(soup: Soup) -> Node:
    found = soup.find("div", id="setback")
    assert found
    return found


def retries(node: Node) -> list[Node]:
    buttons = node.find_all("button", form="act")
    return [b for b in buttons if b.attrs["formaction"].endswith("/retry/")]


@pytest.mark.parametrize("state", SET_ASIDE)
def test_a_job_set_aside_says_why_beside_the_button_that_helps(
    operator: Client, state: State
) -> None:
    job = create_job(state=state)
    lose_job(job)
    soup = look(operator, job)
    assert len(retries(banner(soup))) == 1
    assert len(retries(soup)) == 1
    assert "retry it" in banner(soup).text


@pytest.mark.parametrize("state", SET_ASIDE)
def test_a_viewer_is_told_without_the_button(viewer: Client, state: State) -> None:
    soup = look(viewer, create_job(state=state))
    assert banner(soup).text
    assert retries(soup) == []


def test_what_shall_not_run_again_is_marked_as_failed(operator: Client) -> None:
    job = create_job(state=State.LOST)
    button = banner(look(operator, job)).find("button", **{"class": "btn"})
    assert button
    page = operator.post(button.attrs["formaction"], follow=True)
    soup = Soup(page.content)
    assert soup.find("div", id="setback") is None
    assert "marked as failed" in soup.text
    job.refresh_from_db()
    assert job.state == State.FAILED


def test_its_deaths_are_listed_and_lead_to_their_workers(viewer: Client) -> None:
    job = create_job(state=State.QUARANTINED)
    for number in (1, 2, 3):
        lose_job(job, f"w{number}", number=number)
    soup = look(viewer, job)
    items = banner(soup).find_all("li")
    assert [item.text.partition(",")[0] for item in items] == [
        "Attempt 3",
        "Attempt 2",
        "Attempt 1",
    ]
    assert items[0].find("a", href="/workers/#lost-w3")
    rows = soup.find_all("tr", id=lambda value: value.startswith("attempt-"))
    assert len(rows) == 3
    assert all("WorkerLost" in row.text and "Lost" in row.text for row in rows)


def test_a_failed_job_keeps_its_button_above(operator: Client) -> None:
    soup = look(operator, create_job(state=State.FAILED))
    assert soup.find("div", id="setback") is None
    assert len(retries(soup)) == 1


@pytest.mark.parametrize(
    ("kind", "state", "words"),
    [
        ("quarantined", State.QUARANTINED, "killed its worker or process three times"),
        ("lost", State.LOST, "is held because its worker died"),
    ],
)
def test_the_overview_leads_to_them(
    viewer: Client, kind: str, state: State, words: str
) -> None:
    create_job(state=state)
    (verdict,) = Soup(viewer.get("/").content).find_all(
        "section", **{"class": "verdict bad-edge"}
    )
    assert words in verdict.text
    assert verdict.find("a", href=f"/jobs/?state={kind}")


@pytest.mark.usefixtures("foreign_reader")
def test_what_the_ledger_keeps_of_an_end_is_shown_in_the_readers_language(
    viewer: Client,
) -> None:
    words = "worker w2 stopped answering"
    lost = create_job(state=State.QUARANTINED, error="WorkerLost", message=words)
    lose_job(lost)
    soup = look(viewer, lost)
    assert f"« {words} »" in banner(soup).text
    assert soup.find("span", title=f"« {words} »")
    (section,) = soup.find_all("section", **{"aria-labelledby": "error-title"})
    assert f"« {words} »" in section.text


@pytest.mark.usefixtures("foreign_reader")
def test_why_arguments_are_not_shown_is_said_in_the_readers_language(
    viewer: Client,
) -> None:
    words = f"« {stored_words.PICKLED_ARGUMENTS} »"
    job = create_job(unreadable=stored_words.PICKLED_ARGUMENTS)
    assert f"They cannot be read: {words}" in look(viewer, job).text
    assert words in Soup(viewer.get("/jobs/").content).text
