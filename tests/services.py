"""The services of a test run, started before Django reads its settings.

A pytest plugin (`-p tests.services`): one embedded Valkey per test process, in a
temporary data folder that is removed at the end. TEST_DATABASE says on which database
the tests run: `sqlite` (default) or `postgres`, which starts one server for the run.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.postgres import Cluster, ServiceMissing

DATA = Path(tempfile.mkdtemp(prefix="taskyard-tests-"))
os.environ["TASKYARD_DATA"] = str(DATA)
os.environ["SECRET_KEY"] = "only-for-tests-" + "x" * 40
for name in ("REDIS_URL", "DATABASE_URL", "TASKYARD_RQ_MODULES", "TASKYARD_APPS"):
    os.environ.pop(name, None)
os.environ["TASKYARD_LANGUAGE"] = "en"  # whatever this machine speaks
os.environ["TASKYARD_TASKS"] = "tests.sample"
os.environ["TASKYARD_RQ_MODULES"] = "tests.plain"

from tasks.broker.embedded import EmbeddedServer  # noqa: E402 - it reads the settings above

#: Where the workers of xdist find the server that the first process started.
STARTED = "TEST_DATABASE_URL"

#: What a test asks for that touches the database, Django's or that of real processes.
FIXTURES = {"db", "transactional_db", "ledger", "bare_ledger"}

server = EmbeddedServer(DATA)
server.start()
os.environ["REDIS_URL"] = server.url


def _tidy() -> None:
    server.stop()
    shutil.rmtree(DATA, ignore_errors=True)


atexit.register(_tidy)


def chosen_database() -> str:
    """Return the vendor of the database that this run is to be on, as Django names it."""
    vendors = {"sqlite": "sqlite", "postgres": "postgresql"}
    chosen = os.environ.get("TEST_DATABASE") or "sqlite"
    if chosen not in vendors:
        raise pytest.UsageError(
            f"TEST_DATABASE: {chosen} is neither sqlite nor postgres."
        )
    return vendors[chosen]


def _start_postgres() -> str:
    try:
        cluster = Cluster().__enter__()
    except ServiceMissing as missing:
        raise pytest.UsageError(str(missing)) from missing
    atexit.register(cluster.stop)
    return cluster.url()


if chosen_database() == "postgresql":
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ[STARTED] = _start_postgres()
    os.environ["DATABASE_URL"] = os.environ[STARTED]


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave to SQLite what would run the same there: tests that touch no database."""
    if chosen_database() == "sqlite":
        return
    others = [item for item in items if not touches_database(item)]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if touches_database(item)]


def touches_database(item: pytest.Item) -> bool:
    fixtures = FIXTURES.intersection(getattr(item, "fixturenames", ()))
    return bool(fixtures) or item.get_closest_marker("django_db") is not None
