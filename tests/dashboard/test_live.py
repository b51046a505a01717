from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.test import AsyncClient, Client, RequestFactory

from dashboard import live
from dashboard.hub import Hub, Watch
from tasks.policy import Actor
from tasks.states import State
from tests.factories import VIEWER, create_job, create_user

# What renders closes its connection, and with it a transaction around the test.
pytestmark = pytest.mark.django_db(transaction=True)

VIEW = frozenset({"tasks.view_job"})


def watch(path: str = "/", query: str = "", language: str = "en") -> Watch:
    return Watch(path, query, language, VIEW)


def test_a_watch_is_rendered_by_the_page_itself(viewer: Client) -> None:
    job = create_job(state=State.STARTED)
    rendered = live.render_watch(watch()) or ""
    polled = viewer.get("/", headers={"HX-Request": "true", "HX-Target": "div#live"})
    assert f"running-{job.id}" in rendered
    assert f"running-{job.id}" in polled.content.decode()
    assert "<html" not in rendered


def test_the_query_counts() -> None:
    shown, hidden = create_job(queue="a"), create_job(queue="b")
    rendered = live.render_watch(watch("/jobs/", "queue=a")) or ""
    assert shown.id in rendered
    assert hidden.id not in rendered


@pytest.mark.parametrize("path", ["/nothing/", "/jobs/none/"])
def test_what_is_not_there_is_gone(path: str) -> None:
    assert live.render_watch(watch(path)) is None


def test_without_permission_nothing_is_rendered() -> None:
    assert live.render_watch(Watch("/", "", "en", frozenset())) is None


def test_markup_is_escaped_in_what_is_pushed() -> None:
    create_job(state=State.STARTED, task="<img src=x onerror=alert(1)>")
    rendered = live.render_watch(watch()) or ""
    assert "<img" not in rendered
    assert "&lt;img" in rendered


@pytest.mark.parametrize(
    "page", ["/healthz", "/sign-in/", "/admin/", "/live/", "/nothing/", ""]
)
def test_only_pages_behind_the_sign_in_are_watched(
    rf: RequestFactory, page: str
) -> None:
    request: Any = rf.get("/live/", {"page": page})
    assert live._watch(request) is None


def test_an_address_is_read_as_the_browser_writes_it(rf: RequestFactory) -> None:
    request: Any = rf.get("/live/", {"page": "/jobs/a%20%3F/?queue=b%20c"})
    request.actor = Actor("vera", "web", VIEW)
    assert live._watch(request) == watch("/jobs/a ?/", "queue=b%20c")


def test_events_are_framed_line_by_line() -> None:
    assert live._event("a\nb") == b"data: a\ndata: b\n\n"
    assert live._event("", "bye") == b"event: bye\ndata: \n\n"


async def silence() -> AsyncIterator[object]:
    await asyncio.Event().wait()
    yield None


class Stream:
    """The events of a stream, for a user whose session is looked up anew each time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, may_watch: bool) -> None:
        async def may_still_watch(_request: object, _watch: Watch) -> bool:
            return may_watch

        monkeypatch.setattr(live, "_may_still_watch", may_still_watch)
        self.hub = Hub(lambda _watch: "news", silence)

    async def read(self, number: int) -> list[bytes]:
        class Request:
            user = type("User", (), {"pk": 1})

        request: Any = Request()
        events = live._events(self.hub, watch(), request)
        found = [await asyncio.wait_for(anext(events), 5) for _each in range(number)]
        await events.aclose()
        return found


def test_a_stream_sends_the_news_and_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT", 0.05)

    async def scene() -> None:
        stream = Stream(monkeypatch, may_watch=True)
        hello, news, beat = await stream.read(3)
        assert hello.startswith(b":")
        assert news == b"data: news\n\n"
        assert beat.startswith(b"event: beat\ndata: ")
        assert stream.hub.count(1) == 0

    asyncio.run(scene())


def test_a_stream_ends_when_its_session_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT", 0.05)

    async def scene() -> None:
        stream = Stream(monkeypatch, may_watch=False)
        *_before, last = await stream.read(3)
        assert last.startswith(b"event: bye")

    asyncio.run(scene())


def test_the_right_to_watch_ends_with_permission_or_session() -> None:
    user = create_user(permissions=VIEWER)
    client = Client()
    client.force_login(user)

    class Request:
        session = SessionStore(client.session.session_key)

    request: Any = Request()

    def may_watch() -> bool:
        return asyncio.run(live._may_still_watch(request, watch()))

    assert may_watch()
    user.user_permissions.clear()
    assert not may_watch()
    user.is_superuser = True
    user.save(update_fields=["is_superuser"])
    client.logout()
    assert not may_watch()


def test_the_stream_is_neither_kept_nor_buffered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = AsyncClient()
    client.force_login(create_user(permissions=VIEWER))

    async def scene() -> None:
        response = await client.get("/live/", {"page": "/"})
        assert response["Content-Type"] == "text/event-stream"
        assert response["X-Accel-Buffering"] == "no"
        assert response["Cache-Control"] == "no-store"
        monkeypatch.setattr(live, "MAX_STREAMS", 0)
        assert (await client.get("/live/", {"page": "/"})).status_code == 429

    asyncio.run(scene())
