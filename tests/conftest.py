from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from tasks.broker.client import get_client

T = TypeVar("T")


def wait_until(predicate: Callable[[], T], timeout: float = 10) -> T:
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
