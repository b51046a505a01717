from __future__ import annotations

import pytest
from django.test import Client

from dashboard.access import LiveRequest
from dashboard.rendering import wanted_partial
from tasks.states import State
from tests.dashboard.soup import Soup
from tests.factories import create_job

pytestmark = pytest.mark.django_db

FRAGMENT = {"HX-Request": "true", "HX-Target": "div#live"}


def is_whole(content: bytes) -> bool:
    return b"<html" in content


def test_a_page_is_whole_and_varies(viewer: Client) -> None:
    response = viewer.get("/queues/")
    assert is_whole(response.content)
    for header in ("HX-Request", "HX-Target", "HX-History-Restore-Request", "Cookie"):
        assert header in response["Vary"]


def test_a_target_gets_its_partial_with_navigation_and_notice(viewer: Client) -> None:
    response = viewer.get("/queues/", headers=FRAGMENT)
    soup = Soup(response.content)
    assert not is_whole(response.content)
    assert response["Cache-Control"] == "no-store"
    targets = [part.attrs["hx-target"] for part in soup.find_all("hx-partial")]
    assert targets == ["#nav", "#notice"]


@pytest.mark.parametrize(
    "url", ["/", "/jobs/", "/queues/", "/workers/", "/tasks/", "/tasks/greet/"]
)
def test_a_fragment_brings_the_title_of_the_page(viewer: Client, url: str) -> None:
    titles = [
        Soup(viewer.get(url, headers=headers).content).find("title")
        for headers in ({}, FRAGMENT)
    ]
    page, fragment = (title.text for title in titles if title)
    assert page == fragment
    assert page.endswith(" · Taskyard")
    assert len(page) > len(" · Taskyard")


def test_the_title_follows_the_job(viewer: Client) -> None:
    job = create_job(state=State.FINISHED)
    soup = Soup(viewer.get(f"/jobs/{job.id}/", headers=FRAGMENT).content)
    title = soup.find("title")
    assert title
    assert title.text == "add Finished · Taskyard"


@pytest.mark.parametrize(
    "headers",
    [
        {**FRAGMENT, "HX-Boosted": "true"},
        {**FRAGMENT, "HX-History-Restore-Request": "true"},
        {**FRAGMENT, "HX-Target": "div#secret"},
        {"HX-Request": "true"},
        {"HX-Target": "div#live"},
    ],
)
def test_everything_else_gets_the_whole_page(
    viewer: Client, headers: dict[str, str]
) -> None:
    assert is_whole(viewer.get("/queues/", headers=headers).content)


def test_the_hub_gets_the_live_partial_and_nothing_else() -> None:
    request = LiveRequest("/", "", None)
    assert wanted_partial(request, ("live", "table")) == "live"
    assert wanted_partial(request, ("table",)) is None


def test_a_fragment_holds_nothing_of_one_user(viewer: Client) -> None:
    content = viewer.get("/", headers=FRAGMENT).content.decode()
    assert "csrfmiddlewaretoken" not in content
    assert "vera" not in content


@pytest.mark.usefixtures("redis_out")
def test_while_redis_is_out_pages_say_503_and_fragments_200(viewer: Client) -> None:
    page = viewer.get("/queues/")
    fragment = viewer.get("/queues/", headers=FRAGMENT)
    assert (page.status_code, fragment.status_code) == (503, 200)
    for response in (page, fragment):
        assert "Redis does not answer since" in response.content.decode()
        assert "Connection refused" in response.content.decode()


def test_the_theme_is_drawn_by_the_server(viewer: Client) -> None:
    viewer.cookies["taskyard_theme"] = "dark"
    assert b'data-theme="dark"' in viewer.get("/").content


def test_an_unknown_theme_is_the_systems(viewer: Client) -> None:
    viewer.cookies["taskyard_theme"] = '"><script>'
    assert b'data-theme="system"' in viewer.get("/").content


def test_the_page_of_the_moment_is_marked(viewer: Client) -> None:
    soup = Soup(viewer.get("/workers/").content)
    marked = [a.id for a in soup.find_all("a", **{"aria-current": "page"})]
    assert marked == ["nav-workers-list"]


def test_no_page_holds_script_or_style_of_its_own(viewer: Client) -> None:
    soup = Soup(viewer.get("/").content)
    assert all(script.attrs.get("src") for script in soup.find_all("script"))
    assert soup.find_all("style") == []
    assert not [node for node in soup.walk() if "style" in node.attrs]
