"""A Redis that takes connections and gives no answers: nobody waits for it for long."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.broker.client import SILENT_FOR
from tasks.broker.embedded import EmbeddedServer
from tests.conftest import wait_until
from tests.integration.conftest import Fleet
from tests.integration.sites import Site, open_site
from tests.ledgers import Ledger

pytestmark = pytest.mark.integration

#: Seconds within which any answer must come.
LIMIT = 2.0


@pytest.fixture
def server(folder: Path) -> Iterator[EmbeddedServer]:
    made = EmbeddedServer(folder)
    made.start()
    yield made
    os.kill(pid_of(made), signal.SIGCONT)
    made.stop()


def pid_of(server: EmbeddedServer) -> int:
    assert server.process is not None
    return server.process.pid


@pytest.fixture
def site(
    make_fleet: Callable[..., Fleet], ledger: Ledger, server: EmbeddedServer
) -> Site:
    fleet = make_fleet(REDIS_URL=server.url, SECRET_KEY="x" * 40, **ledger.environment)
    return open_site(fleet)


def ask_anew(site: Site, path: str, body: object) -> tuple[int, float]:
    """Ask when nobody has found Redis silent lately, so that this one has to wait."""
    forgotten_at = time.monotonic() + SILENT_FOR
    wait_until(lambda: time.monotonic() > forgotten_at)
    return site.ask(path, body)


def test_the_web_answers_within_two_seconds_and_says_what_it_cannot(
    site: Site, server: EmbeddedServer
) -> None:
    job = {"task": "tests.sample.add", "args": {"a": 1}}
    assert site.ask("/api/v1/jobs", {**job, "id": "before"})[0] == 202
    assert site.ask("/")[0] == 200
    os.kill(pid_of(server), signal.SIGSTOP)
    answers = [
        (path, wanted, *ask_anew(site, path, body))
        for path, body, wanted in [
            ("/api/v1/jobs", {**job, "id": "meanwhile"}, 202),
            ("/api/v1/jobs/before/cancel", {}, 503),
            ("/api/v1/queues", None, 503),
            ("/healthz", None, 503),
            ("/", None, 503),
            ("/jobs/before/", None, 503),
            ("/doctor/", None, 503),
            ("/api/v1/jobs/before", None, 200),
        ]
    ]
    late = [answer for answer in answers if answer[3] > LIMIT]
    wrong = [answer for answer in answers if answer[1] != answer[2]]
    assert (late, wrong) == ([], [])
    os.kill(pid_of(server), signal.SIGCONT)
    wait_until(lambda: site.ask("/healthz")[0] == 200)
