"""Redis at maxmemory: no job is taken, and all that were are done."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tasks.broker import embedded, keys
from tasks.broker.embedded import EmbeddedServer
from tests.conftest import wait_until
from tests.integration.conftest import START, Fleet
from tests.ledgers import Ledger

pytestmark = pytest.mark.integration

MAXMEMORY = "20mb"

#: Values of a megabyte that somebody else keeps there.
BALLAST = 13

#: Submits until it is refused, and says how many were taken and why no more.
SUBMITTER = """
import os, sys, django
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
django.setup()
from tasks.errors import BrokerFull
from tests.sample import note, note_async, wait_for
noted, back = sys.argv[1:]
wait_for.submit(back)
taken = 1
try:
    while True:
        (note if taken % 2 else note_async).submit(noted)
        taken += 1
except BrokerFull as error:
    print(taken, error)
"""


@pytest.fixture(params=["valkey", "redis"])
def server(
    request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EmbeddedServer]:
    if request.param == "redis":
        path = shutil.which("redis-server")
        if path is None:
            pytest.fail(
                "redis-server is not installed: run script/test, or apt-get it."
            )
        monkeypatch.setattr(embedded, "find_server", lambda: path)
    made = EmbeddedServer(folder)
    made.start()
    yield made
    made.stop()


def fill(client: redis.Redis) -> None:
    """Write until the server refuses even a little."""
    for size in (100_000, 1_000, 10):
        for number in itertools.count():
            try:
                client.set(f"ballast:{size}:{number}", "x" * size)
            except redis.exceptions.OutOfMemoryError:
                break


def test_a_full_redis_refuses_jobs_and_finishes_those_it_has(
    make_fleet: Callable[..., Fleet],
    folder: Path,
    ledger: Ledger,
    server: EmbeddedServer,
) -> None:
    fleet = make_fleet(REDIS_URL=server.url, **ledger.environment)
    client = redis.Redis.from_url(server.url)
    client.config_set("maxmemory", MAXMEMORY)
    for number in range(BALLAST):
        client.set(f"ballast:{number}", "x" * 1_000_000)
    fleet.run("manage.py", "migrate", "--verbosity", "0")
    noted, back = folder / "noted", folder / "back"
    answer = fleet.run("-c", SUBMITTER, str(noted), str(back))
    taken, sentence = answer.split(maxsplit=1)
    assert int(taken) > 100
    assert "of the 20.0 MB that maxmemory allows" in sentence
    assert 0.75 < used(client) < 0.85
    fill(client)
    processes = [fleet.manage(*words) for words in (["recorder"], ["scheduler"])]
    processes.append(fleet.manage("worker", "--children", "2"))
    try:
        wait_until(
            lambda: states(ledger) == {"finished": int(taken) - 1, "started": 1}, 60
        )
        assert used(client) >= 1
        lease = lease_end(client)
        wait_until(lambda: lease_end(client) > lease, 10)
        back.touch()
        wait_until(lambda: states(ledger) == {"finished": int(taken)}, START)
        assert [process.poll() for process in processes] == [None] * 3
        assert ledger.rows("SELECT DISTINCT attempt_count FROM tasks_job") == [(1,)]
        assert len(noted.read_text().split()) == int(taken) - 1
    finally:
        fleet.end()
        client.close()


def used(client: redis.Redis) -> float:
    """Return the share of maxmemory that is used, as the server counts."""
    info: Any = client.info("memory")
    counted = info["used_memory"] - info["mem_not_counted_for_evict"]
    return float(counted / info["maxmemory"])


def states(ledger: Ledger) -> dict[str, int]:
    return dict(ledger.rows("SELECT state, COUNT(*) FROM tasks_job GROUP BY 1"))


def lease_end(client: redis.Redis) -> float:
    (_member, score), *_others = client.zrange(
        keys.lease("default"), 0, -1, withscores=True
    )
    return float(score)
