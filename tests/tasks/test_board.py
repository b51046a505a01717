from __future__ import annotations

import threading

import pytest
from django.utils.translation import get_language, override

from tasks import board
from tasks.board import BoardReader
from tasks.broker.snapshot import Snapshot
from tasks.errors import BrokerSilent, BrokerUnavailable
from tests.snapshots import make_snapshot


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The answers of Redis, taken from the end; exceptions are raised."""
    answers: list[object] = []

    def read() -> Snapshot:
        answer = answers.pop()
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Snapshot)
        return answer

    monkeypatch.setattr(board, "read_snapshot", read)
    return answers


def test_one_reading_serves_everybody_for_a_second(readings: list[object]) -> None:
    readings += [make_snapshot()]
    reader = BoardReader()
    assert reader.read() is reader.read()


def test_an_outage_keeps_the_last_figures(readings: list[object]) -> None:
    good = make_snapshot()
    refused = BrokerUnavailable("Error 111 connecting to h:1. Connection refused.")
    readings += [refused, refused, good]
    reader = BoardReader()
    reader.read()
    reader.forget()
    first = reader.read()
    reader.forget()
    second = reader.read()
    assert first.snapshot is second.snapshot is good
    assert first.outage is not None
    assert first.outage.reason == "Connection refused"
    assert second.outage is not None
    assert second.outage.since == first.outage.since


def test_a_redis_that_gives_no_answer_is_told_of_in_the_reader_s_words(
    readings: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board, "_", lambda text: f"{get_language()}: {text}")
    readings += [BrokerSilent()]
    outage = BoardReader().read().outage
    assert outage
    for language in ("en", "zh-hans"):
        with override(language):
            assert outage.reason == f"{language}: no answer in time"


def test_an_outage_ends(readings: list[object]) -> None:
    readings += [make_snapshot(), BrokerUnavailable("gone")]
    reader = BoardReader()
    assert reader.read().outage
    reader.forget()
    assert reader.read().outage is None


def test_a_redis_that_hangs_is_waited_for_briefly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered = threading.Event()

    def hang() -> Snapshot:
        answered.wait(10)
        return make_snapshot()

    monkeypatch.setattr(board, "read_snapshot", hang)
    monkeypatch.setattr(board, "PATIENCE", 0.05)
    reader = BoardReader()
    assert reader.read().outage
    answered.set()
    monkeypatch.setattr(board, "PATIENCE", 5)
    reader.forget()
    assert reader.read().snapshot


def test_the_address_shows_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    class Config:
        def broker_url(self) -> str:
            return "redis://user:secret@example.org:6380/0"

    monkeypatch.setattr(board, "get_config", Config)
    assert board.broker_address() == "example.org:6380"
