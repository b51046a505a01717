"""A ledger in a file that somebody else writes for long: pages do not wait for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.integration.conftest import Fleet
from tests.integration.sites import Site, open_site

pytestmark = pytest.mark.integration

#: Seconds within which any answer must come.
LIMIT = 5.0

JOB = {"task": "tests.sample.add", "args": {"a": 1}}


@pytest.fixture
def site(make_fleet: Callable[..., Fleet], fleet: Fleet) -> Site:
    return open_site(make_fleet(**fleet.environment, SECRET_KEY="x" * 40))


@contextmanager
def written_for_long(file: Path) -> Iterator[None]:
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        yield
        writer.execute("ROLLBACK")


def test_what_must_write_is_refused_soon_and_what_reads_is_answered(
    site: Site, folder: Path
) -> None:
    assert site.ask("/api/v1/jobs", {**JOB, "id": "before"})[0] == 202
    asked: list[tuple[str, object, int]] = [
        ("/api/v1/jobs", {**JOB, "id": "meanwhile"}, 503),
        ("/api/v1/jobs", {**JOB, "id": "and-so-on"}, 503),
        ("/api/v1/jobs/before/cancel", {}, 503),
        ("/api/v1/jobs/before", None, 200),
        ("/jobs/before/", None, 200),
        ("/", None, 200),
    ]
    with (
        written_for_long(folder / "taskyard.sqlite3"),
        ThreadPoolExecutor(len(asked)) as browsers,
    ):
        answers = list(browsers.map(lambda one: site.ask(*one[:2]), asked))
        status, said = site.read("/api/v1/jobs", JOB)
    assert [status for status, _took in answers] == [wanted for *_, wanted in asked]
    assert max(took for _status, took in answers) < LIMIT
    assert (status, "The database does not answer now" in said) == (503, True)
    assert site.ask("/api/v1/jobs", {**JOB, "id": "meanwhile"})[0] == 202
