from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from dashboard import hub as hub_module
from dashboard.hub import Client, Hub, Watch
from tasks.errors import BrokerUnavailable

WATCH = Watch("/", "", "en", frozenset({"tasks.view_job"}))


async def silence() -> AsyncIterator[object]:
    await asyncio.Event().wait()
    yield None


class Renders:
    """A renderer that writes down what it was asked for."""

    def __init__(self, answer: Callable[[Watch], str | None] | None = None) -> None:
        self.asked: list[Watch] = []
        self.answer = answer or (lambda watch: f"{watch.path} {watch.language}")

    def __call__(self, watch: Watch) -> str | None:
        self.asked.append(watch)
        return self.answer(watch)


def waiting(client: Client) -> list[str | None]:
    """Take what waits in the client's box."""
    return [client.box.get_nowait() for _each in range(client.box.qsize())]


def quiet_hub(renders: Renders) -> Hub:
    """Return a hub that refreshes when the test says so, and not by itself."""
    hub = Hub(renders, silence)
    hub._start = lambda: None  # type: ignore[method-assign]
    return hub


def test_two_with_the_same_eyes_share_one_rendering() -> None:
    async def scene() -> None:
        renders = Renders()
        hub = quiet_hub(renders)
        clients = [hub.subscribe(WATCH, user) for user in (1, 2)]
        await hub.refresh()
        assert renders.asked == [WATCH]
        assert [waiting(client) for client in clients] == [["/ en"], ["/ en"]]

    asyncio.run(scene())


@pytest.mark.parametrize(
    "other",
    [
        replace(WATCH, language="zh-hans"),
        replace(WATCH, permissions=None),
        replace(WATCH, query="state=failed"),
    ],
)
def test_other_eyes_get_another_rendering(other: Watch) -> None:
    async def scene() -> None:
        renders = Renders()
        hub = quiet_hub(renders)
        hub.subscribe(WATCH, 1)
        hub.subscribe(other, 1)
        await hub.refresh()
        assert set(renders.asked) == {WATCH, other}

    asyncio.run(scene())


def test_who_has_the_text_gets_nothing_and_a_newcomer_does() -> None:
    async def scene() -> None:
        hub = quiet_hub(Renders())
        first = hub.subscribe(WATCH, 1)
        await hub.refresh()
        waiting(first)
        second = hub.subscribe(WATCH, 2)
        await hub.refresh()
        assert waiting(first) == []
        assert waiting(second) == ["/ en"]

    asyncio.run(scene())


def test_a_slow_client_keeps_the_newest_states() -> None:
    async def scene() -> None:
        numbers = iter(range(9))
        hub = quiet_hub(Renders(lambda _watch: str(next(numbers))))
        client = hub.subscribe(WATCH, 1)
        for _each in range(5):
            await hub.refresh()
        assert waiting(client) == ["3", "4"]

    asyncio.run(scene())


def test_a_page_that_is_gone_ends_its_streams() -> None:
    async def scene() -> None:
        hub = quiet_hub(Renders(lambda _watch: None))
        client = hub.subscribe(WATCH, 1)
        await hub.refresh()
        assert waiting(client) == [None]

    asyncio.run(scene())


def test_a_broken_page_does_not_silence_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = replace(WATCH, path="/broken/")

    def render(watch: Watch) -> str:
        if watch == broken:
            raise ZeroDivisionError
        return "fine"

    async def scene() -> None:
        hub = quiet_hub(Renders(render))
        hub.subscribe(broken, 1)
        client = hub.subscribe(WATCH, 1)
        await hub.refresh()
        assert waiting(client) == ["fine"]

    asyncio.run(scene())
    assert "/broken/" in caplog.text


def test_streams_are_counted_by_user() -> None:
    async def scene() -> None:
        hub = quiet_hub(Renders())
        first = hub.subscribe(WATCH, 1)
        hub.subscribe(replace(WATCH, query="x"), 1)
        hub.subscribe(WATCH, 2)
        assert (hub.count(1), hub.count(2)) == (2, 1)
        hub.unsubscribe(first)
        assert hub.count(1) == 1

    asyncio.run(scene())


def test_a_change_is_rendered_at_once_and_a_burst_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub_module, "IDLE_INTERVAL", 60)
    monkeypatch.setattr(hub_module, "MIN_INTERVAL", 0)

    async def scene() -> None:
        burst = asyncio.Event()

        async def changes() -> AsyncIterator[object]:
            await burst.wait()
            for _each in range(100):
                yield None
            await asyncio.Event().wait()

        numbers = iter(range(9))
        renders = Renders(lambda _watch: str(next(numbers)))
        hub = Hub(renders, changes)
        client = hub.subscribe(WATCH, 1)
        assert await asyncio.wait_for(client.box.get(), 5) == "0"
        burst.set()
        assert await asyncio.wait_for(client.box.get(), 5) == "1"
        assert len(renders.asked) == 2
        hub.unsubscribe(client)

    asyncio.run(scene())


def test_an_outage_is_a_change_and_listening_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hub_module, "IDLE_INTERVAL", 60)
    monkeypatch.setattr(hub_module, "MIN_INTERVAL", 0)
    monkeypatch.setattr(hub_module, "RELISTEN_AFTER", 0)

    async def scene() -> None:
        listened = asyncio.Semaphore(0)

        async def changes() -> AsyncIterator[object]:
            listened.release()
            await asyncio.sleep(0)
            raise BrokerUnavailable("gone")
            yield None

        hub = Hub(Renders(), changes)
        client = hub.subscribe(WATCH, 1)
        for _each in range(3):
            await asyncio.wait_for(listened.acquire(), 5)
        hub.unsubscribe(client)

    asyncio.run(scene())


def test_without_clients_nothing_runs() -> None:
    async def scene() -> None:
        hub = Hub(Renders(), silence)
        hub.unsubscribe(hub.subscribe(WATCH, 1))
        await asyncio.sleep(0)
        assert [
            t for t in asyncio.all_tasks() if t.get_name().startswith("live-")
        ] == []

    asyncio.run(scene())
