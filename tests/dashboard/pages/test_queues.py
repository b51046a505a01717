from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tasks import board
from tasks.broker.snapshot import Snapshot
from tasks.states import State
from tests.dashboard.soup import Node, Soup
from tests.factories import create_job
from tests.snapshots import make_queue, make_snapshot, make_worker

pytestmark = pytest.mark.django_db

Show = Callable[[Snapshot], None]


def row(client: Client, name: str) -> Node:
    found = Soup(client.get("/queues/").content).find("tr", id=f"queue-{name}")
    assert found
    return found


def test_a_queue_shows_what_waits_and_who_serves_it(
    viewer: Client, show_snapshot: Show
) -> None:
    queue = make_queue(waiting=1500, waits_for=242, running=3, deferred=5)
    create_job(state=State.SCHEDULED)
    create_job(state=State.SCHEDULED, queue="other")
    show_snapshot(make_snapshot(queues=[queue]))
    cells = [cell.text.strip() for cell in row(viewer, "default").find_all("td")]
    assert cells == ["1,500", "4 m 02 s", "3", "1", "1", "5", "0", "—", "0"]


def test_a_queue_without_a_live_worker_is_marked(
    viewer: Client, show_snapshot: Show
) -> None:
    lost = make_worker("w2", queues=("low",), silent_for=60)
    queues = [make_queue("low", waiting=1, waits_for=1), make_queue("idle")]
    show_snapshot(make_snapshot(queues=queues, workers=[lost]))
    assert "1 lost" in row(viewer, "low").text
    assert "no worker" in row(viewer, "idle").text


def test_a_queue_that_only_a_worker_knows_is_listed(
    viewer: Client, show_snapshot: Show
) -> None:
    show_snapshot(make_snapshot(workers=[make_worker(queues=("fresh",))]))
    assert row(viewer, "fresh")


def test_the_rate_is_of_the_last_minute(viewer: Client, show_snapshot: Show) -> None:
    create_job(state=State.FINISHED)
    create_job(state=State.FAILED)
    show_snapshot(make_snapshot(queues=[make_queue(waiting=4, waits_for=1)]))
    text = row(viewer, "default").text
    assert "2 /min" in text
    assert "2 m" in text


def test_failures_of_the_day_lead_to_their_jobs(
    viewer: Client, show_snapshot: Show
) -> None:
    create_job(state=State.FAILED, queue="a b")
    show_snapshot(make_snapshot(queues=[make_queue("a b")]))
    (link,) = row(viewer, "a b").find_all("a", **{"class": "bad"})
    assert link.attrs["href"] == "/jobs/?state=failed,lost,quarantined&queue=a%20b"


def test_markup_in_a_name_is_text(viewer: Client, show_snapshot: Show) -> None:
    show_snapshot(make_snapshot(queues=[make_queue("<b onclick=x>")]))
    assert b"<b onclick" not in viewer.get("/queues/").content


def test_no_queue_yet(viewer: Client, show_snapshot: Show) -> None:
    show_snapshot(make_snapshot(workers=[]))
    assert "There is no queue yet" in viewer.get("/queues/").content.decode()


@pytest.mark.usefixtures("redis_out")
def test_while_redis_is_out_nobody_pretends_to_know(viewer: Client) -> None:
    response = viewer.get("/queues/")
    assert response.status_code == 503
    assert "not known until Redis answers" in response.content.decode()


def test_twice_the_queues_need_no_more_queries(
    viewer: Client, show_snapshot: Show
) -> None:
    counts = []
    for number in (5, 10):
        show_snapshot(
            make_snapshot(queues=[make_queue(f"q{n}") for n in range(number)])
        )
        board.forget_board()
        with CaptureQueriesContext(connection) as queries:
            viewer.get("/queues/")
        counts.append(len(queries))
    assert counts[0] == counts[1]
