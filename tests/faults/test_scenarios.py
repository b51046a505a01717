"""The short form of every scenario, each by the command that its row names.

Most of their time they wait for leases to end, so some run beside each other.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Semaphore

import pytest

from benchmarks.faults.catalog import scenarios
from tasks.conf import PROJECT_ROOT
from tests.postgres import require_postgres

pytestmark = pytest.mark.integration

#: Scenarios that run at the same time; script/test has nothing else run beside them.
AT_ONCE = 3

#: The one whose own jobs take all that the machine has runs beside no other.
GREEDY = ("R19",)

#: Seconds for a short form on a machine that has much else to do.
PATIENCE = 900

Words = tuple[str, ...]
Done = subprocess.CompletedProcess[str]

#: The last take longest, so they begin; one runs on what apt installs.
RUNS = [(name,) for name in reversed(scenarios())]
RUNS += [("R02", "--database", "postgres", "--server", "redis")]


def run_in_turn(words: Words, slots: Semaphore) -> Done:
    needed = AT_ONCE if words == GREEDY else 1
    for _number in range(needed):
        slots.acquire()
    try:
        return run_short(words)
    finally:
        slots.release(needed)


def run_short(words: Words) -> Done:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.faults", "run", *words, "--short"],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.fixture(scope="module")
def begun(request: pytest.FixtureRequest) -> Iterator[dict[Words, Future[Done]]]:
    """Start those that were chosen, in the order of RUNS."""
    items = [item for item in request.session.items if item.module is request.module]
    chosen = [item.callspec.params["words"] for item in items]
    chosen.sort(key=RUNS.index)
    slots = Semaphore(AT_ONCE)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {words: pool.submit(run_in_turn, words, slots) for words in chosen}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("words", RUNS, ids="-".join)
def test_the_short_form_holds(words: Words, begun: dict[Words, Future[Done]]) -> None:
    if "postgres" in words:
        require_postgres()
    done = begun[words].result()
    assert done.returncode == 0, done.stdout
