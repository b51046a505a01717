from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest
from django.utils import translation

from tasks import stored_words
from tasks.broker.client import get_client, waits
from tasks.broker.memory import gauge
from tests.services import chosen_database

T = TypeVar("T")


#: Seconds that anything may take on a machine that has much else to do.
PATIENCE = 60


def wait_until(predicate: Callable[[], T], timeout: float = PATIENCE) -> T:
    """Return the first true answer of `predicate` within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (answer := predicate()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)
    return answer


@pytest.fixture(autouse=True)
def clean_broker() -> Iterator[None]:
    """Give each test an empty Redis."""
    yield
    get_client().flushdb()


@pytest.fixture(autouse=True)
def fresh_waits() -> Iterator[None]:
    """Let no test meet a Redis that another one found silent, or full."""
    yield
    waits.silent_until = float("-inf")
    gauge.forget()


@pytest.fixture
def full_redis() -> Iterator[None]:
    """Have Redis hold more than maxmemory allows, without having to fill it."""
    get_client().config_set("maxmemory", 1)
    gauge.forget()
    yield
    get_client().config_set("maxmemory", 0)


@pytest.fixture(autouse=True)
def default_language() -> Iterator[None]:
    """Let no test hear the language in which another one asked for a page."""
    yield
    translation.deactivate()


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Leave a PostgreSQL database to its server's end.

    Threads may have connections to it, which would not let it be dropped.
    """
    return chosen_database() == "postgresql"


@pytest.fixture
def foreign_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a reader whose language marks every sentence that the ledger keeps."""
    monkeypatch.setattr(stored_words, "_", lambda sentence: f"« {sentence} »")
