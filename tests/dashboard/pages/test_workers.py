from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tasks import board
from tasks.broker.snapshot import Snapshot
from tasks.models import Recovery
from tasks.states import State
from tests.dashboard.soup import Node, Soup
from tests.factories import create_job, create_recovery
from tests.snapshots import make_snapshot, make_worker

pytestmark = pytest.mark.django_db

Show = Callable[[Snapshot], None]


def rows(client: Client, prefix: str = "worker-") -> dict[str, Node]:
    soup = Soup(client.get("/workers/").content)
    found = soup.find_all("tr", id=lambda value: value.startswith(prefix))
    return {row.id.removeprefix(prefix): row for row in found}


def words(node: Node) -> str:
    return " ".join(node.text.split())


def test_the_live_come_by_name_and_the_lost_apart(
    viewer: Client, show_snapshot: Show
) -> None:
    workers = [make_worker("b"), make_worker("a"), make_worker("c", silent_for=134)]
    show_snapshot(make_snapshot(workers=workers))
    live, lost = rows(viewer), rows(viewer, "lost-")
    assert list(live) == ["a", "b"]
    assert "idle" in live["a"].text
    assert list(lost) == ["c"]
    assert "2 m ago" in lost["c"].text
    assert "nobody has taken over its jobs yet" in lost["c"].text


def test_a_busy_worker_links_its_job(viewer: Client, show_snapshot: Show) -> None:
    job = create_job(state=State.STARTED)
    busy = make_worker("a", state="busy", running=1, current_job_id=job.id)
    show_snapshot(make_snapshot(workers=[busy]))
    row = rows(viewer)["a"]
    assert row.find("a", href=f"/jobs/{job.id}/")
    assert "1 / 4" in row.text


def test_of_many_jobs_the_row_links_the_one_that_runs_longest(
    viewer: Client, show_snapshot: Show
) -> None:
    """The worker tells of the one that it took last, which may have ended since."""
    now = timezone.now()
    slow = create_job(
        state=State.STARTED, worker="a", created_at=now - timedelta(minutes=9)
    )
    create_job(state=State.STARTED, worker="a")
    ended = create_job(state=State.FINISHED, worker="b")
    workers = [make_worker(name, current_job_id=ended.id) for name in ("a", "b")]
    show_snapshot(make_snapshot(workers=workers))
    found = rows(viewer)
    assert found["a"].find("a", href=f"/jobs/{slow.id}/")
    assert not found["b"].find("a", href=f"/jobs/{ended.id}/")


def test_a_worker_that_had_been_frozen_gets_no_advice_about_its_code(
    viewer: Client, show_snapshot: Show
) -> None:
    show_snapshot(make_snapshot(workers=[make_worker("a", loop_lag_minute=39.0)]))
    for ago, advised in ((90, True), (5, False)):
        returned_at = timezone.now() - timedelta(seconds=ago)
        Recovery.objects.all().delete()
        create_recovery("a", returned_at=returned_at)
        text = viewer.get("/workers/").content.decode()
        assert ("should be a plain function" in text) == advised


def test_the_odd_version_is_marked(viewer: Client, show_snapshot: Show) -> None:
    versions = ("taskyard 0.1.0", "taskyard 0.1.0", "taskyard 0.2.0")
    workers = [make_worker(f"w{n}", version=v) for n, v in enumerate(versions)]
    show_snapshot(make_snapshot(workers=workers))
    marked = [
        name
        for name, row in rows(viewer).items()
        if row.find("td", **{"class": "less warn"})
    ]
    assert marked == ["w2"]


@pytest.mark.parametrize(("lag", "word"), [(0.002, "fine 2 ms"), (0.8, "slow 800 ms")])
def test_the_loop_s_lag_is_shown_with_a_word(
    viewer: Client, show_snapshot: Show, lag: float, word: str
) -> None:
    show_snapshot(make_snapshot(workers=[make_worker("a", loop_lag_minute=lag)]))
    assert word in rows(viewer)["a"].text
    advice = "should be a plain function" in viewer.get("/workers/").content.decode()
    assert advice == (lag > 0.5)


def test_a_blocked_loop_names_and_links_its_job(
    viewer: Client, show_snapshot: Show
) -> None:
    job = create_job(state=State.STARTED, task="shop.slow")
    blocked = make_worker(
        "a",
        blocked_since=timezone.now() - timedelta(seconds=12),
        blocked_job_id=job.id,
        blocked_task="shop.slow",
    )
    show_snapshot(make_snapshot(workers=[blocked]))
    assert "blocked 12 s" in rows(viewer)["a"].text
    advice = Soup(viewer.get("/workers/").content).find("tr", id="loop-of-a")
    assert advice
    assert advice.find("a", href=f"/jobs/{job.id}/")
    assert "blocked by slow" in advice.text


def test_a_lost_worker_is_not_called_blocked(
    viewer: Client, show_snapshot: Show
) -> None:
    lost = make_worker("a", silent_for=60, blocked_since=timezone.now())
    show_snapshot(make_snapshot(workers=[lost]))
    assert "a" in rows(viewer, "lost-")
    assert "blocked" not in viewer.get("/workers/").content.decode()


def test_a_worker_that_never_beat_is_lost(viewer: Client, show_snapshot: Show) -> None:
    show_snapshot(
        make_snapshot(workers=[make_worker("a", last_heartbeat=None, born_at=None)])
    )
    assert "a" in rows(viewer, "lost-")


def test_the_other_processes_are_listed(viewer: Client, show_snapshot: Show) -> None:
    show_snapshot(make_snapshot())
    soup = Soup(viewer.get("/workers/").content)
    assert soup.find("tr", id="process-scheduler:vm-3:7")
    redis = soup.find("tr", id="process-redis")
    assert redis
    assert "Valkey 9.1" in redis.text


def test_no_worker_shows_the_command(viewer: Client, show_snapshot: Show) -> None:
    show_snapshot(make_snapshot(workers=[]))
    assert "python manage.py worker" in viewer.get("/workers/").content.decode()


@pytest.mark.usefixtures("redis_out")
def test_while_redis_is_out_nobody_pretends_to_know(viewer: Client) -> None:
    response = viewer.get("/workers/")
    assert response.status_code == 503
    assert "not known until Redis answers" in response.content.decode()


def test_twice_the_workers_need_no_more_queries(
    viewer: Client, show_snapshot: Show
) -> None:
    counts = []
    for number in (5, 10):
        jobs = [create_job(state=State.STARTED) for _each in range(number)]
        workers = [
            make_worker(f"w{n}", current_job_id=j.id) for n, j in enumerate(jobs)
        ]
        show_snapshot(make_snapshot(workers=workers))
        board.forget_board()
        with CaptureQueriesContext(connection) as queries:
            viewer.get("/workers/")
        counts.append(len(queries))
    assert counts[0] == counts[1]
