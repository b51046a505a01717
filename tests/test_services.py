"""The services of the tests are those that were asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from tasks.conf import PROJECT_ROOT
from tests import postgres
from tests.conftest import wait_until
from tests.ledgers import Ledger, own_ledger
from tests.postgres import ServiceMissing, require_postgres
from tests.services import chosen_database, touches_database

#: Starts a server and is gone without a word.
GONE = """
import os
from tests.postgres import Cluster
cluster = Cluster().__enter__()
print(cluster.folder, cluster.process.pid, flush=True)
os.kill(os.getpid(), 9)
"""


#: Writes into the database of a process which one it is.
NOTE = """
from django.db import connection
connection.cursor().execute(f"CREATE TABLE noted AS SELECT '{connection.vendor}' AS vendor")
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with own_ledger(tmp_path) as made:
        yield made


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT_ROOT,
        env=os.environ | environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.django_db
def test_the_tests_are_on_the_database_that_was_chosen(
    request: pytest.FixtureRequest,
) -> None:
    assert connection.vendor == chosen_database()
    assert touches_database(request.node)


@pytest.mark.integration
def test_real_processes_are_on_the_database_that_was_chosen(ledger: Ledger) -> None:
    said = run("manage.py", "shell", "-v", "0", "-c", NOTE, **ledger.environment)
    assert said.returncode == 0, said.stderr
    assert ledger.rows("SELECT vendor FROM noted") == [(chosen_database(),)]


def test_a_server_dies_with_the_tests_that_are_killed() -> None:
    require_postgres()
    said = run("-c", GONE)
    folder, pid = said.stdout.split()
    wait_until(lambda: not Path(f"/proc/{pid}").exists())
    shutil.rmtree(folder)


def test_a_missing_postgres_skips_for_a_developer_and_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def miss(_name: str) -> str:
        raise ServiceMissing("apt-get install postgresql")

    monkeypatch.setattr(postgres, "find_program", miss)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install postgresql"):
        require_postgres()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(ServiceMissing):
        require_postgres()


def test_an_unknown_database_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_DATABASE", "oracle")
    with pytest.raises(pytest.UsageError, match="neither sqlite nor postgres"):
        chosen_database()
