"""An open circuit breaker, wherever somebody may look for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tasks.broker import keys
from tasks.broker.breakers import OpenBreaker
from tasks.broker.snapshot import Snapshot
from tasks.states import State
from tests.dashboard.soup import Node, Soup
from tests.engine import client as redis
from tests.factories import create_job
from tests.snapshots import make_snapshot, make_worker

pytestmark = pytest.mark.django_db

Show = Callable[[Snapshot], None]


def look(client: Client, url: str) -> Soup:
    response = client.get(url)
    assert response.status_code == 200
    return Soup(response.content)


@pytest.fixture
def _open(show_snapshot: Show) -> None:
    """Have worker w1 hold back the jobs of a task."""
    since = timezone.now() - timedelta(minutes=3)
    breaker = OpenBreaker("greet", since, 23, 1200, timedelta(seconds=32))
    show_snapshot(make_snapshot(workers=[make_worker("w1", breakers=(breaker,))]))


def links(node: Node) -> list[str]:
    return [link.attrs["href"] for link in node.find_all("a")]


@pytest.mark.usefixtures("_open")
def test_the_overview_names_the_task_and_leads_to_its_failures(viewer: Client) -> None:
    (said,) = [
        item
        for item in look(viewer, "/").find_all("li")
        if "failed 23 times in a row on worker w1" in item.text
    ]
    assert "one is tried each 32 s" in said.text
    assert "1,200 jobs are held back" in said.text
    failures = "/jobs/?state=failed,lost,quarantined&task=greet"
    assert links(said) == ["/tasks/greet/", failures]


@pytest.mark.usefixtures("_open")
@pytest.mark.parametrize(
    ("url", "tag", "name"),
    [
        ("/workers/", "tr", "breaker-w1-greet"),
        ("/tasks/greet/", "div", "breaker-w1"),
    ],
)
def test_the_workers_and_the_tasks_page_say_since_when(
    viewer: Client, url: str, tag: str, name: str
) -> None:
    said = look(viewer, url).find(tag, id=name)
    assert said
    assert "failed 23 times in a row on worker w1: since 3 m ago" in said.text


@pytest.mark.usefixtures("_open")
def test_another_tasks_page_says_nothing(viewer: Client) -> None:
    assert not look(viewer, "/tasks/tests.sample.add/").find("div", id="breaker-w1")


def test_a_task_shows_when_its_breaker_opens(viewer: Client) -> None:
    page = look(viewer, "/tasks/tests.sample.lean/")
    assert "opens after 5 failures in a row" in page.text


@pytest.mark.usefixtures("_open")
def test_a_job_names_the_worker_that_holds_it_back(viewer: Client) -> None:
    due = timezone.now() + timedelta(seconds=30)
    job = create_job(state=State.SCHEDULED, due_at=due)
    redis().hset(keys.job(job.id), "ty:held", f"{due.timestamp():.3f} w1")
    because = look(viewer, f"/jobs/{job.id}/").find("div", id="waiting-because")
    assert because
    words = f"held back by the circuit breaker of task {job.task} on worker w1"
    assert words in because.text
