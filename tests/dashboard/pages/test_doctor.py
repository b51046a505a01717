from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

import pytest
from django.test import Client

from dashboard.pages import doctor as page
from tasks.checks import Finding, Level
from tasks.doctor import Doctor
from tests.dashboard.soup import Node, Soup
from tests.factories import create_job

pytestmark = pytest.mark.django_db

Examine = Callable[[], Iterable[Finding]]
MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture
def find(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that says what the doctor finds."""

    def set_findings(*findings: Finding) -> None:
        doctor = Doctor("en", lambda: findings)
        monkeypatch.setattr(page, "read_examination", doctor.read)

    return set_findings


def items(client: Client) -> list[Node]:
    response = client.get("/doctor/")
    assert response.status_code == 200
    return Soup(response.content).find_all(
        "li", id=lambda value: value.startswith("finding-")
    )


def words(node: Node) -> str:
    return " ".join(node.text.split())


def test_the_worst_comes_first_each_with_its_way_out(
    viewer: Client, find: Callable[..., None]
) -> None:
    find(
        Finding("a", Level.OK, "Redis answers."),
        Finding("b", Level.HINT, "Set the hosts."),
        Finding("c", Level.BAD, "Turn DEBUG off."),
        Finding("d", Level.WARNING, "Turn the log on."),
        Finding("e", Level.BAD, "Run migrate."),
    )
    assert [words(item) for item in items(viewer)] == [
        "Problem Turn DEBUG off.",
        "Problem Run migrate.",
        "Warning Turn the log on.",
        "Hint Set the hosts.",
        "Fine Redis answers.",
    ]


def test_every_level_has_its_word(viewer: Client, find: Callable[..., None]) -> None:
    find(*(Finding(level, level, "text") for level in Level))
    said = [words(item).split()[0] for item in items(viewer)]
    assert len(set(said)) == len(Level)


def test_a_check_that_hangs_holds_up_nobody(
    viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = threading.Event()

    def hang() -> Iterable[Finding]:
        end.wait(60)
        yield Finding("a", Level.OK, "Redis answers.")

    monkeypatch.setattr(page, "read_examination", Doctor("en", hang).read)
    began = time.monotonic()
    response = viewer.get("/doctor/")
    took = time.monotonic() - began
    end.set()
    assert response.status_code == 200
    assert took < 60
    assert "takes long" in response.content.decode()


def test_the_real_checks_are_shown(viewer: Client) -> None:
    text = " ".join(words(item) for item in items(viewer))
    assert "answers in" in text
    assert "No worker is alive" in text


@pytest.mark.usefixtures("redis_out")
def test_while_redis_is_out_it_still_answers(
    viewer: Client, find: Callable[..., None]
) -> None:
    find(Finding("redis", Level.BAD, "Redis does not answer."))
    response = viewer.get("/doctor/")
    assert response.status_code == 503
    assert "Problem" in response.content.decode()


@pytest.mark.parametrize("url", ["/", "/workers/"])
def test_it_is_linked_from_where_trouble_shows(viewer: Client, url: str) -> None:
    create_job()
    assert Soup(viewer.get(url).content).find("a", href="/doctor/")


def test_markup_in_a_finding_is_text(viewer: Client, find: Callable[..., None]) -> None:
    find(Finding("a", Level.BAD, MARKUP))
    assert b"<img" not in viewer.get("/doctor/").content
