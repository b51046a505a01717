"""R29: kill -9 before and after every command of the acts that matter."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

from benchmarks.faults.catalog import Trial, scenario
from benchmarks.faults.crashes.points import Crash, Laboratory, Point
from benchmarks.faults.proxy import Proxy
from benchmarks.harness import wait_until

#: Seconds after a crash at which the others come by: a lease ends after 15, ledger and
#: broker are compared each minute, and no job may be stuck for longer than the last.
LOOKS = (16.5, 20.0, 25.0, 30.0, 45.0, 62.0, 75.0)

#: Worlds that wait at a time: each is a database of Redis, and of PostgreSQL.
AT_ONCE = 200

#: The acts in which due moments become jobs.
OF_MOMENTS = ("fire", "fire late", "backfill", "cancel what a backfill left")

#: Failed points that are told in words.
NAMED = 20


@scenario("R29", "kill -9 at every Redis and SQL command of the acts", takes=400)
def crash_everywhere(trial: Trial) -> None:
    from benchmarks.faults.crashes.acts import ACTS  # once Django is set up
    from tasks.broker import upkeep

    # Nothing is swept right after a start of Redis.
    wait_until(lambda: not upkeep.server_is_young(), "Redis' coming of age")
    with Proxy(trial.yard.server.url) as proxy:
        laboratory = Laboratory(trial.yard, proxy)
        points = [point for act in ACTS for point in laboratory.points(act)]
        if trial.short:
            points = [point for point in points if point.is_singular]
        crashes = list(chain.from_iterable(_pass(laboratory, points)))
    _tell(trial, crashes)


def _pass(laboratory: Laboratory, points: Sequence[Point]) -> Iterator[list[Crash]]:
    for start in range(0, len(points), AT_ONCE):
        crashes = [laboratory.crash(point) for point in points[start : start + AT_ONCE]]
        _put_right(laboratory, crashes)
        yield crashes


def _put_right(laboratory: Laboratory, crashes: Sequence[Crash]) -> None:
    """Have each world looked after until nothing is wrong in it."""
    waiting = [crash for crash in crashes if not crash.wrong]
    for seconds in LOOKS:
        for crash in waiting:
            time.sleep(max(0.0, crash.at + seconds - time.monotonic()))
            crash.wrong = laboratory.put_right(crash)
        waiting = [crash for crash in waiting if crash.wrong]
    for crash in crashes:
        laboratory.worlds.remove(crash.world)


def _tell(trial: Trial, crashes: Sequence[Crash]) -> None:
    failed = [crash for crash in crashes if crash.wrong]
    everywhere = Counter(crash.point.act for crash in crashes)
    badly = Counter(crash.point.act for crash in failed)
    for act, count in everywhere.items():
        trial.facts[f"passed: {act}"] = f"{count - badly[act]} of {count}"
    for crash in failed[:NAMED]:
        trial.facts[f"FAILED {crash.point}"] = "; ".join(crash.wrong)
    trial.ask("cut points", "≥", 1, len(crashes))
    of_moments = sum(everywhere[act] for act in OF_MOMENTS)
    trial.ask("cut points of fires and backfills", "≥", 1, of_moments)
    share = 100 * (len(crashes) - len(failed)) / len(crashes)
    trial.ask("cut points passed", "≥", 100, share, "%")
