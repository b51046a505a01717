from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from tasks.broker.embedded import EmbeddedServer
from tests.conftest import wait_until
from tests.integration.conftest import START, Fleet
from tests.integration.test_redis_outage import SUBMITTER, Jobs
from tests.ledgers import Ledger

pytestmark = pytest.mark.integration

#: Seconds within which everything must be back.
REFILLED_WITHIN = 60


def test_a_redis_that_is_wiped_under_load_loses_no_job(
    make_fleet: Callable[..., Fleet], folder: Path, ledger: Ledger
) -> None:
    server = EmbeddedServer(folder)
    server.start()
    fleet = make_fleet(REDIS_URL=server.url, **ledger.environment)
    fleet.run("manage.py", "migrate", "--verbosity", "0")
    jobs, noted = Jobs(ledger), folder / "noted"
    for words in (["recorder"], ["scheduler"], ["scheduler"]):
        fleet.manage(*words)
    fleet.manage("worker", "--children", "2")
    enough, back = folder / "enough", folder / "back"
    submitter = fleet.start("-c", SUBMITTER, str(enough), str(noted), str(back))
    try:
        wait_until(lambda: jobs.states()["finished"] > 20, START)
        redis.Redis.from_url(server.url).flushall()
        before = jobs.count()
        wait_until(lambda: jobs.count() > before + 100, START)
        enough.touch()
        back.touch()
        assert submitter.wait(START) == 0
        wait_until(lambda: set(jobs.states()) == {"finished"}, REFILLED_WITHIN)
        runs = Counter(noted.read_text().split())
        assert set(runs) == jobs.ids("note")
        assert jobs.attempts_of_waiters() == [2, 2], "what ran was lost, and ran again"
    finally:
        fleet.end()
        server.stop()
