from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tasks.broker.embedded import EmbeddedServer
from tests.conftest import wait_until
from tests.integration.conftest import START, Fleet
from tests.ledgers import Ledger

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


@dataclass
class Jobs:
    """The ledger's jobs, looked at from outside."""

    ledger: Ledger

    def states(self) -> Counter[str]:
        rows = self.ledger.rows("SELECT state, COUNT(*) FROM tasks_job GROUP BY 1")
        return Counter(dict(rows))

    def count(self) -> int:
        return self.states().total()

    def ids(self, task: str) -> set[str]:
        return set(self._of("id", task))

    def attempts_of_waiters(self) -> list[int]:
        """How often those jobs ran that were running when Redis went away."""
        return self._of("attempt_count", "wait_for")

    def _of(self, column: str, task: str) -> list[Any]:
        where = f"WHERE task LIKE 'tests.sample.{task}%'"
        rows = self.ledger.rows(f"SELECT {column} FROM tasks_job {where}")  # noqa: S608
        return [row[0] for row in rows]


def test_ten_seconds_without_redis_lose_nothing_and_double_nothing(
    make_fleet: Callable[..., Fleet], folder: Path, ledger: Ledger
) -> None:
    server = EmbeddedServer(folder)
    server.start()
    fleet = make_fleet(REDIS_URL=server.url, **ledger.environment)
    fleet.run("manage.py", "migrate", "--verbosity", "0")
    jobs, noted = Jobs(ledger), folder / "noted"
    for words in (["recorder"], ["scheduler"], ["worker", "--children", "2"]):
        fleet.manage(*words)
    enough, back = folder / "enough", folder / "back"
    submitter = fleet.start("-c", SUBMITTER, str(enough), str(noted), str(back))
    try:
        wait_until(lambda: jobs.states()["finished"] > 20, START)
        server.stop()
        before, back_at = jobs.count(), time.monotonic() + OUTAGE
        wait_until(lambda: time.monotonic() > back_at, OUTAGE + 5)
        assert submitter.poll() is None
        assert jobs.count() > before, "submissions went on without Redis"
        server.start()
        wait_until(lambda: jobs.count() > before + 50, START)
        back.touch()
        enough.touch()
        assert submitter.wait(START) == 0
        # A claim whose answer was cut off is taken back when its lease has ended.
        wait_until(lambda: set(jobs.states()) == {"finished"}, START)
        runs = Counter(noted.read_text().split())
        assert set(runs) == jobs.ids("note")
        assert set(runs.values()) == {1}
        assert jobs.attempts_of_waiters() == [1, 1], "an outage costs no attempt"
    finally:
        fleet.end()
        server.stop()
