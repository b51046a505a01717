"""Schedulers that are frozen within a fire, and servers that are started again."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tasks.broker.embedded import EmbeddedServer
from tests.conftest import wait_until
from tests.integration.conftest import START, Fleet, Process
from tests.integration.seconds import SCHEDULES, Seconds
from tests.ledgers import Ledger
from tests.postgres import Cluster, require_postgres

pytestmark = pytest.mark.integration

#: Seconds within which another scheduler takes over, and those of a busy machine on top.
TAKEOVER, SLACK = 5.0, 10.0

#: A scheduler that stops itself once, when it has written its first Fires and has their
#: schedules locked.
FREEZING = """
import os, signal, django
os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
django.setup()
from django.db import connection
from tasks.scheduler import Scheduler
freezes = iter([os.getpid()])
def freeze(execute, sql, *given):
    answer = execute(sql, *given)
    if sql.startswith('INSERT INTO "tasks_fire"'):
        for pid in freezes:
            os.kill(pid, signal.SIGSTOP)
    return answer
with connection.execute_wrapper(freeze):
    Scheduler().run()
"""


@pytest.fixture
def seconds(make_fleet: Callable[..., Fleet], ledger: Ledger) -> Seconds:
    site = make_fleet(REDIS_URL=os.environ["REDIS_URL"], **ledger.environment)
    made = Seconds(site, ledger)
    made.make()
    return made


def freeze(seconds: Seconds) -> Process:
    """Start a scheduler; return it when it stands still."""
    frozen = seconds.site.start("-c", FREEZING)
    wait_until(lambda: is_frozen(frozen), START)
    return frozen


def is_frozen(process: Process) -> bool:
    stat = Path(f"/proc/{process.pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "T"


def thaw(frozen: Process) -> None:
    os.kill(frozen.pid, signal.SIGCONT)


def wait_for_more(seconds: Seconds) -> None:
    before = seconds.count()
    wait_until(lambda: seconds.count() >= before + 3 * SCHEDULES)


def test_what_a_frozen_scheduler_began_another_one_does(seconds: Seconds) -> None:
    """PostgreSQL takes its locks back; when it goes on, what it wrote is undone."""
    if not seconds.ledger.url:
        pytest.skip("in SQLite, whoever writes holds up all others: see below")
    frozen = freeze(seconds)
    other = seconds.site.manage("scheduler")
    wait_for_more(seconds)
    assert is_frozen(frozen)
    thaw(frozen)
    wait_for_more(seconds)
    assert frozen.poll() is None
    # It still does its part when it is the only one.
    other.kill()
    wait_for_more(seconds)
    moments = seconds.read([frozen, other])
    assert max(moment.late for moment in moments) < TAKEOVER + SLACK


def test_on_sqlite_all_wait_for_a_frozen_scheduler_and_lose_nothing(
    seconds: Seconds,
) -> None:
    if seconds.ledger.url:
        pytest.skip("PostgreSQL takes the locks back: see above")
    frozen = freeze(seconds)
    other = seconds.site.manage("scheduler")
    assert is_locked(seconds.ledger)
    assert seconds.count() == 0
    thaw(frozen)
    wait_for_more(seconds)
    frozen.kill()
    wait_for_more(seconds)
    seconds.read([frozen, other])


def test_on_sqlite_a_frozen_scheduler_that_is_killed_holds_nothing_up(
    seconds: Seconds,
) -> None:
    if seconds.ledger.url:
        pytest.skip("PostgreSQL takes the locks back: see above")
    frozen = freeze(seconds)
    frozen.kill()
    frozen.wait()
    assert not is_locked(seconds.ledger)
    other = seconds.site.manage("scheduler")
    wait_for_more(seconds)
    seconds.read([other])


def is_locked(ledger: Ledger) -> bool:
    """Say whether somebody writes into a ledger in a file."""
    file = ledger.data / "taskyard.sqlite3"
    with closing(sqlite3.connect(file, timeout=0, isolation_level=None)) as writer:
        try:
            writer.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        return False


def test_a_redis_that_is_started_again_costs_no_moment(
    make_fleet: Callable[..., Fleet], ledger: Ledger, folder: Path
) -> None:
    server = EmbeddedServer(folder)
    server.start()
    site = make_fleet(REDIS_URL=server.url, **ledger.environment)
    seconds = Seconds(site, ledger)
    try:
        seconds.make()
        schedulers = [site.manage("scheduler") for _number in range(2)]
        for _time in range(2):
            wait_for_more(seconds)
            server.stop()
            server.start()
        wait_for_more(seconds)
        seconds.read(schedulers)
    finally:
        site.end()
        server.stop()


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL server of this test's own."""
    require_postgres()
    with Cluster() as made:
        yield made


def test_a_postgresql_that_is_started_again_costs_no_moment(
    make_fleet: Callable[..., Fleet], cluster: Cluster, folder: Path
) -> None:
    """It ends all connections; whoever is in the middle of a fire begins it again."""
    ledger = Ledger(folder, cluster.url())
    site = make_fleet(REDIS_URL=os.environ["REDIS_URL"], **ledger.environment)
    seconds = Seconds(site, ledger)
    seconds.make()
    schedulers = [site.manage("scheduler") for _number in range(2)]
    for _time in range(2):
        wait_for_more(seconds)
        cluster.restart()
    wait_for_more(seconds)
    assert [scheduler.poll() for scheduler in schedulers] == [None, None]
    seconds.read(schedulers)
