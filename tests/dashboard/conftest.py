from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from tasks import board, run_reports
from tasks.broker.snapshot import Snapshot
from tasks.errors import BrokerUnavailable
from tests.factories import OPERATOR, VIEWER, create_user


@pytest.fixture(autouse=True)
def _fresh_board(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test see what another one left in this process."""
    monkeypatch.setattr(board, "_reader", board.BoardReader())
    run_reports.forget_usual()


@pytest.fixture
def redis_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every reading of the snapshot fail."""

    def fail() -> Snapshot:
        raise BrokerUnavailable("Error 111 connecting to h:1. Connection refused.")

    monkeypatch.setattr(board, "read_snapshot", fail)


@pytest.fixture
def show_snapshot(monkeypatch: pytest.MonkeyPatch) -> Callable[[Snapshot], None]:
    """Return a function that makes a snapshot the one that pages see."""

    def show(snapshot: Snapshot) -> None:
        monkeypatch.setattr(board, "read_snapshot", lambda: snapshot)

    return show


@pytest.fixture
def viewer(client: Client) -> Client:
    client.force_login(create_user("vera", permissions=VIEWER))
    return client


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(create_user("otto", permissions=OPERATOR))
    return client
