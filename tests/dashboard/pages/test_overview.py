from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.template.loader import get_template
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks import board
from tasks.broker.snapshot import Snapshot
from tasks.concerns import ORDER
from tasks.states import State
from tests.dashboard.soup import Soup
from tests.factories import create_job
from tests.snapshots import make_queue, make_snapshot, make_worker

pytestmark = pytest.mark.django_db

Show = Callable[[Snapshot], None]
MARKUP = "<img src=x onerror=alert(1)>"


def look(client: Client, status: int = 200) -> Soup:
    response = client.get("/")
    assert response.status_code == status
    return Soup(response.content)


def figures(soup: Soup) -> dict[str, str]:
    (strip,) = soup.find_all("dl", **{"class": "kpi"})
    names = [term.text for term in strip.find_all("dt")]
    return dict(zip(names, [n.text for n in strip.find_all("strong")], strict=True))


def rows(soup: Soup, prefix: str) -> list[str]:
    found = soup.find_all("tr", id=lambda value: value.startswith(prefix))
    return [row.id.removeprefix(prefix) for row in found]


def test_the_five_figures(viewer: Client, show_snapshot: Show) -> None:
    queues = [
        make_queue("a", waiting=1200, waits_for=42, running=2),
        make_queue("b", waiting=3, waits_for=7),
    ]
    show_snapshot(
        make_snapshot(queues=queues, workers=[make_worker(queues=("a", "b"))])
    )
    create_job(state=State.FINISHED)
    create_job(state=State.FAILED)
    create_job(state=State.FINISHED, created_at=timezone.now() - timedelta(hours=2))
    assert figures(look(viewer)) == {
        "Waiting": "1,203",
        "Running": "2",
        "Oldest wait": "42 s",
        "Done, last hour": "1",
        "Failed, last hour": "1",
    }


def test_nothing_wrong_is_one_line(viewer: Client, show_snapshot: Show) -> None:
    show_snapshot(make_snapshot())
    create_job()
    assert "Nothing needs attention." in look(viewer).text


def test_before_the_first_job_it_shows_how_to_queue_one(
    viewer: Client, show_snapshot: Show
) -> None:
    show_snapshot(make_snapshot())
    text = look(viewer).text
    assert "Nothing has been queued yet." in text
    assert "submit(" in text


def test_without_workers_it_shows_the_command(
    viewer: Client, show_snapshot: Show
) -> None:
    show_snapshot(make_snapshot(workers=[]))
    assert "python manage.py worker" in look(viewer).text


def test_a_lost_worker_heads_the_verdict(viewer: Client, show_snapshot: Show) -> None:
    job = create_job(state=State.STARTED, task="shop.slow")
    lost = make_worker("w2", silent_for=134, current_job_id=job.id)
    show_snapshot(make_snapshot(workers=[make_worker(), lost]))
    (verdict,) = look(viewer).find_all("section", **{"class": "verdict bad-edge"})
    assert "1 thing needs attention" in verdict.text
    first = verdict.find_all("li")[0]
    assert "Worker w2 on vm-3 stopped answering" in first.text
    assert "What it ran: 1 Running" in " ".join(first.text.split())
    assert first.find("a", href=f"/jobs/{job.id}/")


@pytest.mark.parametrize("kind", [concern.kind for concern in ORDER])
def test_every_concern_has_a_sentence(kind: str) -> None:
    assert get_template(f"dashboard/overview/concerns/{kind}.html")


def test_running_jobs_show_progress_and_what_is_usual(
    viewer: Client, show_snapshot: Show
) -> None:
    show_snapshot(make_snapshot())
    for _each in range(5):
        create_job(state=State.FINISHED)
    now = timezone.now()
    job = create_job(
        state=State.STARTED,
        created_at=now,
        started_at=now - timedelta(seconds=90),
        progress={"done": 1, "total": 4, "text": "row 1"},
    )
    row = look(viewer).find("tr", id=f"running-{job.id}")
    assert row
    bar = row.find("progress")
    assert bar
    assert bar.attrs["value"] == "25"
    assert "row 1" in row.text
    assert "1 m 30 s" in row.text
    assert "3 s" in row.text


def test_next_runs_are_the_nearest_and_name_their_workers(
    viewer: Client, show_snapshot: Show
) -> None:
    show_snapshot(make_snapshot(workers=[make_worker("w9", queues=("a",))]))
    now = timezone.now()
    later = create_job(
        state=State.SCHEDULED, queue="b", due_at=now + timedelta(minutes=9)
    )
    sooner = create_job(
        state=State.SCHEDULED, queue="a", due_at=now + timedelta(minutes=1)
    )
    soup = look(viewer)
    assert rows(soup, "next-") == [sooner.id, later.id]
    assert "w9" in soup.find("tr", id=f"next-{sooner.id}").text  # type: ignore[union-attr]
    assert "no live worker" in soup.find("tr", id=f"next-{later.id}").text  # type: ignore[union-attr]


def test_markup_in_names_is_text(viewer: Client, show_snapshot: Show) -> None:
    job = create_job(state=State.STARTED, task=MARKUP, kwargs={"a": MARKUP})
    for _each in range(3):
        create_job(state=State.FAILED, task=MARKUP, error=MARKUP)
    show_snapshot(
        make_snapshot(
            queues=[make_queue(MARKUP, waiting=1, waits_for=1)],
            workers=[
                make_worker(MARKUP, host=MARKUP, silent_for=60, current_job_id=job.id),
                make_worker(),
            ],
        )
    )
    content = viewer.get("/").content
    assert b"<img" not in content
    assert content.count(b"&lt;img") >= 5


def test_while_redis_is_out_the_last_figures_stand_and_are_marked(
    viewer: Client, show_snapshot: Show, request: pytest.FixtureRequest
) -> None:
    show_snapshot(make_snapshot(queues=[make_queue(waiting=8, waits_for=1)]))
    create_job()
    look(viewer)
    request.getfixturevalue("redis_out")
    board.forget_board()
    soup = look(viewer, 503)
    assert "Figures are from" in soup.text
    assert figures(soup)["Waiting"] == "8"
    assert soup.find("div", **{"class": "old"})
    assert "Nothing needs attention" not in soup.text


@pytest.mark.usefixtures("redis_out")
def test_redis_out_from_the_start_leaves_dashes(viewer: Client) -> None:
    create_job()
    soup = look(viewer, 503)
    assert figures(soup)["Waiting"] == "—"
    assert "What waits and runs now is not known." in soup.text


def test_looking_writes_nothing(viewer: Client, show_snapshot: Show) -> None:
    show_snapshot(make_snapshot())
    viewer.get("/")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        viewer.get("/")
    verbs = {query["sql"].split()[0] for query in queries}
    assert verbs == {"SELECT"}


def fill(number: int) -> Any:
    for _each in range(number):
        for state in (State.STARTED, State.SCHEDULED, State.FAILED, State.FINISHED):
            create_job(state=state)
    return make_snapshot(
        queues=[make_queue(f"q{n}", waiting=1, waits_for=1) for n in range(number)],
        workers=[make_worker(f"w{n}", silent_for=99) for n in range(number)],
    )


def test_twice_the_rows_need_no_more_queries(
    viewer: Client, show_snapshot: Show
) -> None:
    counts = []
    for number in (3, 6):
        show_snapshot(fill(number))
        board.forget_board()
        viewer.get("/")
        board.forget_board()
        with CaptureQueriesContext(connection) as queries:
            viewer.get("/")
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 26
