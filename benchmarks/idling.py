"""What a worker costs that has nothing to do, or may not touch what waits."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import marks
from benchmarks.fleet import Fleet, enqueue, forget, wait_for, workers
from benchmarks.peers.catalog import QUEUE, TASKYARD
from benchmarks.processes import cpu_of
from benchmarks.redis_load import Reading
from benchmarks.report import Spread, Table

#: Jobs of the backlog, and seconds before and while the worker is watched.
BACKLOG, SETTLE, WATCH = 10_000, 3, 10


@dataclass(frozen=True)
class Idling:
    """The CPU of a worker and its children, and what it asked of Redis."""

    is_paused: bool
    #: Of one core.
    share: float
    commands_per_second: float


def measure_idling(data: Path) -> Iterator[Idling]:
    """Watch a worker of an empty queue, then of a paused one with a backlog.

    Raises RuntimeError if the pause does not hold.
    """
    # They need Django, which the workplace has set up.
    from tasks.pauses import pause_queue, resume_queue
    from tasks.policy import CODE

    forget(BACKLOG)
    enqueue(TASKYARD, TASKYARD.mark, range(BACKLOG, BACKLOG + 1))
    with workers(data, TASKYARD, 1) as fleet:
        wait_for(range(BACKLOG, BACKLOG + 1), fleet, 60)
        yield _watch(fleet, is_paused=False)
        pause_queue(CODE, QUEUE)
        enqueue(TASKYARD, TASKYARD.mark, range(BACKLOG))
        yield _watch(fleet, is_paused=True)
        if marks.opened().ran(0, BACKLOG):
            raise RuntimeError("jobs of a paused queue were run")
        resume_queue(CODE, QUEUE)
        wait_for(range(BACKLOG), fleet, 60)


def _watch(fleet: Fleet, *, is_paused: bool) -> Idling:
    time.sleep(SETTLE)
    first, cpu = Reading.now(), cpu_of(fleet.processes())
    time.sleep(WATCH)
    last, spent = Reading.now(), cpu_of(fleet.processes()) - cpu
    took = last.at - first.at
    return Idling(is_paused, spent / took, (last.commands - first.commands) / took)


def table_of(idlings: Sequence[Idling]) -> Table:
    rows = []
    for name, is_paused in ("empty queue", False), (f"{BACKLOG:,} held back", True):
        mine = [each for each in idlings if each.is_paused == is_paused]
        shares = Spread.of([100 * each.share for each in mine])
        commands = Spread.of([each.commands_per_second for each in mine])
        rows.append([name, str(shares), str(commands)])
    title = "what an idle worker and its children cost: median [min..max]"
    return Table(title, ("", "% of a core", "commands/s"), rows)
