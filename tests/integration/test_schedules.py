"""Several schedulers, killed at any time: each moment is fired once, and soon."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.conftest import wait_until
from tests.integration.conftest import Fleet
from tests.integration.seconds import SCHEDULES, Seconds
from tests.ledgers import Ledger

pytestmark = pytest.mark.integration

#: How many run.
SCHEDULERS = 3

#: Seconds within which another scheduler takes over.
TAKEOVER = 5.0

#: Seconds of a busy machine on top.
SLACK = 5.0


@pytest.fixture
def seconds(make_fleet: Callable[..., Fleet], ledger: Ledger) -> Seconds:
    site = make_fleet(REDIS_URL=os.environ["REDIS_URL"], **ledger.environment)
    made = Seconds(site, ledger)
    made.make()
    return made


def test_schedulers_that_are_killed_neither_miss_nor_double_a_moment(
    seconds: Seconds,
) -> None:
    schedulers = [seconds.site.manage("scheduler") for _number in range(SCHEDULERS)]
    wait_until(lambda: seconds.count() > 0)
    for number in range(6):
        victim = number % SCHEDULERS
        schedulers[victim].kill()
        schedulers[victim].wait()
        schedulers[victim] = seconds.site.manage("scheduler")
        before = seconds.count()
        wait_until(lambda seen=before: seconds.count() >= seen + 2 * SCHEDULES)
    moments = seconds.read(schedulers)
    assert len(moments) >= 60
    assert max(moment.late for moment in moments) < TAKEOVER + SLACK


def test_a_scheduler_that_comes_back_decides_what_passed(seconds: Seconds) -> None:
    """The only one is killed; each second of its absence is decided by the next."""
    first = seconds.site.manage("scheduler")
    wait_until(lambda: seconds.count() >= SCHEDULES)
    first.kill()
    first.wait()
    before = seconds.count()
    second = seconds.site.manage("scheduler")
    wait_until(lambda: seconds.count() >= before + 4 * SCHEDULES)
    seconds.read([second])
