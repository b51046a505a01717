from __future__ import annotations

import asyncio

import pytest

from tasks.broker import keys
from tasks.broker.live import NAMED, Change, announce, changes
from tests.engine import client


def hear(*messages: str | bytes, expected: int) -> list[Change]:
    """Return the first `expected` changes that a listener hears of `messages`."""

    async def listen() -> list[Change]:
        heard: list[Change] = []
        stream = changes()
        first = asyncio.ensure_future(anext(stream))
        while not client().pubsub_numsub(keys.LIVE)[0][1]:
            await asyncio.sleep(0.005)
        for message in messages:
            client().publish(keys.LIVE, message)
        heard.append(await asyncio.wait_for(first, 5))
        while len(heard) < expected:
            heard.append(await asyncio.wait_for(anext(stream), 5))
        await stream.aclose()
        return heard

    return asyncio.run(listen())


def told(monkeypatch: pytest.MonkeyPatch, pairs: list[tuple[str, str]]) -> list[str]:
    """Return what `announce` publishes."""
    said: list[str] = []
    monkeypatch.setattr(client(), "publish", lambda _channel, text: said.append(text))
    announce(pairs)
    return said


def test_each_changed_job_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    (message,) = told(monkeypatch, [("a", "default"), ("b", "mail")])
    monkeypatch.undo()
    assert hear(message, expected=2) == [
        Change("job", "a", "default"),
        Change("job", "b", "mail"),
    ]


def test_many_changes_are_told_as_any(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [(str(number), "default") for number in range(NAMED + 1)]
    (message,) = told(monkeypatch, pairs)
    monkeypatch.undo()
    assert hear(message, expected=1) == [Change("job")]


def test_progress_and_workers_are_told() -> None:
    progress = '{"kind": "progress", "job": "a", "queue": "default"}'
    worker = '{"kind": "worker"}'
    assert hear(progress, worker, expected=2) == [
        Change("progress", "a", "default"),
        Change("worker"),
    ]


def test_garbage_on_the_channel_is_passed_over() -> None:
    garbage = (
        b"\xff",
        "null",
        "[]",
        "{}",
        '{"kind": "job"}',
        '{"kind":"job","jobs":5}',
    )
    assert hear(*garbage, '{"kind": "worker"}', expected=1) == [Change("worker")]
