from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks import board
from tasks.broker.snapshot import Snapshot
from tasks.states import State
from tests.dashboard.soup import Node, Soup
from tests.factories import create_job, create_recovery, lose_job
from tests.snapshots import make_snapshot, make_worker

pytestmark = pytest.mark.django_db

Show = Callable[[Snapshot], None]
MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def _live_worker(show_snapshot: Show) -> None:
    show_snapshot(make_snapshot())


def find(client: Client, tag: str, id: str, url: str = "/workers/") -> Node:
    found = Soup(client.get(url).content).find(tag, id=id)
    assert found, id
    return found


def words(node: Node) -> str:
    return " ".join(node.text.split())


@pytest.mark.parametrize(
    ("noticed_by", "sentence"),
    [
        ("lease", "after 16 s: it was silent and its leases ended"),
        ("supervisor", "after 16 s: its supervisor saw it die"),
    ],
)
def test_it_says_when_seen_how_noticed_and_after_how_long(
    viewer: Client, noticed_by: str, sentence: str
) -> None:
    create_recovery(noticed_by=noticed_by)
    row = words(find(viewer, "tr", "lost-w2"))
    assert "1 m ago" in row
    assert sentence in row
    assert "2 / 4" in row
    assert "It held none." in row


def test_what_became_of_each_job_is_linked_and_marked(viewer: Client) -> None:
    create_recovery()
    running = create_job(state=State.STARTED, worker="w3")
    held = create_job(state=State.LOST, worker="w2")
    for job in (running, held):
        lose_job(job)
    summary = words(find(viewer, "tr", "lost-w2"))
    assert "1 Lost · 1 Running" in summary
    under = find(viewer, "tr", "fates-of-w2")
    items = under.find_all("li")
    assert [words(item) for item in items] == [
        "add(a=1, b=2) Lost",
        "add(a=1, b=2) Running · w3",
    ]
    for item, job in zip(items, (held, running), strict=True):
        assert item.find("a", href=f"/jobs/{job.id}/")
        assert item.find("svg")


def test_more_jobs_than_are_shown_are_one_link_away(viewer: Client) -> None:
    create_recovery("w 2")
    jobs = [create_job() for _each in range(10)]
    for job in jobs:
        lose_job(job, "w 2")
    create_job()
    lose_job(create_job(), "another")
    lose_job(create_job(), "w 2", state=State.FAILED)
    under = find(viewer, "tr", "fates-of-w 2")
    link = under.find_all("li")[-1].find("a")
    assert link
    assert link.text == "and 2 more"
    shown = Soup(viewer.get(link.attrs["href"]).content)
    rows = shown.find_all("tr", id=lambda value: value.startswith("job-"))
    assert len(rows) == len(jobs)
    assert "that worker w 2 held when it was lost" in shown.text


def test_one_that_came_back_is_live_and_its_loss_stays_told(
    viewer: Client, show_snapshot: Show
) -> None:
    create_recovery("w1", returned_at=timezone.now())
    show_snapshot(make_snapshot(workers=[make_worker("w1")]))
    assert find(viewer, "tr", "worker-w1")
    assert "answered again" in find(viewer, "tr", "fates-of-w1").text


def test_one_that_a_supervisor_saw_die_is_not_called_live(
    viewer: Client, show_snapshot: Show
) -> None:
    """Its last beat is a second old, and Redis does not know better yet."""
    create_recovery("w1", noticed_by="supervisor", last_seen_at=timezone.now())
    show_snapshot(make_snapshot(workers=[make_worker("w1"), make_worker("w3")]))
    soup = Soup(viewer.get("/workers/").content)
    assert soup.find("tr", id="worker-w3")
    assert soup.find("tr", id="worker-w1") is None
    assert soup.find("tr", id="lost-w1")


@pytest.mark.usefixtures("redis_out")
def test_the_ledger_tells_of_them_also_while_redis_is_out(viewer: Client) -> None:
    create_recovery()
    response = viewer.get("/workers/")
    assert response.status_code == 503
    assert Soup(response.content).find("tr", id="lost-w2")


def test_the_overview_says_what_became_of_its_jobs(viewer: Client) -> None:
    create_recovery()
    for state in (State.FINISHED, State.QUEUED):
        lose_job(create_job(state=state))
    (verdict,) = Soup(viewer.get("/").content).find_all(
        "section", **{"class": "verdict bad-edge"}
    )
    item = verdict.find_all("li")[0]
    assert "Worker w2 on vm-4 stopped answering 1 m" in words(item)
    assert "What it ran: 1 Waiting · 1 Finished" in words(item)
    assert item.find("a", href="/workers/#lost-w2")
    assert item.find("a", href="/jobs/?lost=w2")


def test_a_single_job_is_linked_at_once(viewer: Client) -> None:
    create_recovery()
    job = create_job(state=State.FAILED)
    lose_job(job)
    assert Soup(viewer.get("/").content).find("a", href=f"/jobs/{job.id}/")


def test_the_overview_counts_losses_that_need_nobody_on_one_calm_line(
    viewer: Client,
) -> None:
    for name in ("w2", "w3"):
        create_recovery(name)
        lose_job(create_job(state=State.FINISHED), name)
    (verdict,) = Soup(viewer.get("/").content).find_all(
        "section", **{"class": "verdict warn-edge"}
    )
    (item,) = verdict.find_all("li")
    assert "2 workers were lost within the last 10 minutes" in words(item)
    assert item.find("a", href="/workers/")


def test_markup_in_names_is_text(viewer: Client) -> None:
    create_recovery(MARKUP, host=MARKUP, queues=[MARKUP])
    job = create_job(state=State.LOST, task=MARKUP, kwargs={"a": MARKUP}, worker=MARKUP)
    for one in (job, create_job(state=State.QUEUED, task=MARKUP)):
        lose_job(one, MARKUP, host=MARKUP, message=MARKUP)
    for url in ("/", "/workers/", f"/jobs/{job.id}/", f"/jobs/?lost={MARKUP}"):
        content = viewer.get(url).content
        assert b"<img" not in content, url
        assert b"&lt;img" in content, url


def test_twice_the_losses_need_no_more_queries(viewer: Client) -> None:
    counts = []
    for number in (2, 4):
        for n in range(number):
            create_recovery(f"w{number}-{n}")
            lose_job(create_job(), f"w{number}-{n}")
        for url in ("/workers/", "/"):
            board.forget_board()
            with CaptureQueriesContext(connection) as queries:
                viewer.get(url)
            counts.append(len(queries))
    assert counts[:2] == counts[2:]
