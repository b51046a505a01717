"""What a process that submits jobs may lack."""

from __future__ import annotations

import pytest

from tasks.broker import push as broker_push
from tasks.conf import NO_LEDGER


@pytest.fixture
def no_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a process that was given only Redis."""
    monkeypatch.setenv(NO_LEDGER, "1")


@pytest.fixture
def redis_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Submit to a Redis that is gone."""

    def refuse(*_args: object) -> None:
        raise ConnectionError("gone")

    monkeypatch.setattr(broker_push, "invoke_many", refuse)
