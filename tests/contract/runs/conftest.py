"""Two workers for the whole package: RQ's own, which documents, and ours."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from tests.contract.running import MODULE, QUEUES, Runner
from tests.engine import client
from tests.integration.conftest import Fleet
from tests.tasks.builtin.conftest import configure  # noqa: F401 - a fixture

MakeRunner = Callable[[str], Runner]

#: What tests of this package leave alone: the workers' own keys.
_KEPT = (b"rq:worker", b"rq:pubsub")


@pytest.fixture(scope="package", params=["stock", "ours"])
def runners(request: pytest.FixtureRequest) -> Iterator[MakeRunner]:
    """Workers by queue, of one kind, each started when it is first asked for."""
    with tempfile.TemporaryDirectory(prefix="ty-") as folder:
        fleet = Fleet(
            REDIS_URL=os.environ["REDIS_URL"],
            TASKYARD_DATA=folder,
            TASKYARD_RQ_MODULES=MODULE,
            TASKYARD_PICKLE_QUEUES="contract-pickle",
            TASKYARD_PRIVATE_URLS="1",
        )
        client().flushdb()
        yield cache(lambda name: Runner(request.param, fleet, name))
        fleet.end()
        client().flushdb()


@pytest.fixture
def runner(runners: MakeRunner) -> Runner:
    return runners("contract")


@pytest.fixture
def pickling(runners: MakeRunner) -> Runner:
    return runners("contract-pickle")


@pytest.fixture(params=list(QUEUES))
def either(request: pytest.FixtureRequest, runners: MakeRunner) -> Runner:
    """A worker for each serializer, where the two may differ."""
    return runners(request.param)


@pytest.fixture(autouse=True)
def clean_broker() -> Iterator[None]:
    """Forget everything but the workers, which live on."""
    yield
    for key in client().scan_iter():
        if not key.startswith(_KEPT):
            client().delete(key)
