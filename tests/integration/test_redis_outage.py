from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tasks.broker.embedded import EmbeddedServer
from tests.conftest import wait_until
from tests.integration.conftest import START, Fleet

pytestmark = pytest.mark.integration

#: Seconds that Redis is away.
OUTAGE = 10

#: Submits a job about every 20 ms until a file says that it is enough.
SUBMITTER = """
import os, sys, time, pathlib, django
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
django.setup()
from tests.sample import note, note_async, wait_for, wait_for_async
enough, noted, back = map(pathlib.Path, sys.argv[1:])
wait_for.submit(back)
wait_for_async.submit(back)
while not enough.exists():
    note_async.submit(noted)
    note.submit(noted)
    time.sleep(0.04)
"""


class Ledger:
    """The database file, looked at from outside."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def states(self) -> Counter[str]:
        with closing(sqlite3.connect(self.path, timeout=20)) as connection:
            rows = connection.execute(
                "SELECT state, COUNT(*) FROM tasks_job GROUP BY 1"
            )
            return Counter(dict(rows.fetchall()))

    def count(self) -> int:
        return self.states().total()

    def ids(self, task: str) -> set[str]:
        where = f"WHERE task LIKE 'tests.sample.{task}%'"
        with closing(sqlite3.connect(self.path, timeout=20)) as connection:
            rows = connection.execute(f"SELECT id FROM tasks_job {where}")  # noqa: S608
            return {row[0] for row in rows}

    def attempts_of_waiters(self) -> list[int]:
        """How often those jobs ran that were running when Redis went away."""
        where = "WHERE task LIKE 'tests.sample.wait_for%'"
        with closing(sqlite3.connect(self.path, timeout=20)) as connection:
            rows = connection.execute(f"SELECT attempt_count FROM tasks_job {where}")  # noqa: S608
            return [row[0] for row in rows]


def test_ten_seconds_without_redis_lose_nothing_and_double_nothing(
    make_fleet: Callable[..., Fleet], folder: Path
) -> None:
    server = EmbeddedServer(folder)
    server.start()
    fleet = make_fleet(REDIS_URL=server.url, TASKYARD_DATA=str(folder))
    fleet.run("manage.py", "migrate", "--verbosity", "0")
    ledger, noted = Ledger(folder / "taskyard.sqlite3"), folder / "noted"
    for words in (["recorder"], ["scheduler"], ["worker", "--children", "2"]):
        fleet.manage(*words)
    enough, back = folder / "enough", folder / "back"
    submitter = fleet.start("-c", SUBMITTER, str(enough), str(noted), str(back))
    try:
        wait_until(lambda: ledger.states()["finished"] > 20, START)
        server.stop()
        before, back_at = ledger.count(), time.monotonic() + OUTAGE
        wait_until(lambda: time.monotonic() > back_at, OUTAGE + 5)
        assert submitter.poll() is None
        assert ledger.count() > before, "submissions went on without Redis"
        server.start()
        wait_until(lambda: ledger.count() > before + 50, START)
        back.touch()
        enough.touch()
        assert submitter.wait(15) == 0
        # A claim whose answer was cut off is taken back when its lease has ended.
        wait_until(lambda: set(ledger.states()) == {"finished"}, START)
        runs = Counter(noted.read_text().split())
        assert set(runs) == ledger.ids("note")
        assert set(runs.values()) == {1}
        assert ledger.attempts_of_waiters() == [1, 1], "what ran meanwhile ran on"
    finally:
        fleet.end()
        server.stop()
