"""What goes on after a crash: the acts of other processes, and the invariants."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Self, cast

from django.utils import timezone

from benchmarks.faults import invariants, journal
from benchmarks.faults.crashes.world import World
from benchmarks.faults.yard import Yard
from tasks.broker import keys
from tasks.broker.attempts import Claimed, Settlement
from tasks.broker.engine import Engine
from tasks.comparison import Delays
from tasks.reconcile import Comparison
from tasks.recording import Recorder
from tasks.scheduler import Scheduler
from tasks.states import ENDED

#: Queues that the acts use, and slots of the workers.
QUEUES = ("first", "second")
SLOTS = 200

#: Nothing changes behind the comparison's back here, so it need not look twice.
AT_ONCE = Delays(timedelta(), timedelta())

#: Times that each process comes by.
ROUNDS = 2


class Worker:
    """A worker of all queues, whose moves are made one at a time."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self._runner.__enter__()
        self._engine = self._runner.run(self._connect())
        return self

    def __exit__(self, *_error: object) -> None:
        self._runner.run(self._engine.close())
        self._runner.close()

    async def _connect(self) -> Engine:
        return Engine(self._name, "host", QUEUES)

    def claim(self) -> list[Claimed]:
        """Take what waits."""
        executions = [secrets.token_hex(16) for _ in range(SLOTS)]
        answer = self._engine.claim(SLOTS, SLOTS, executions)
        return self._runner.run(answer).jobs

    def register(self, facts: dict[str, Any]) -> None:
        self._runner.run(self._engine.register(facts))

    def settle(self, ends: Sequence[Settlement]) -> None:
        self._runner.run(self._engine.settle(ends))

    def work(self) -> None:
        """Run what waits, until nothing does."""
        while jobs := self.claim():
            self.settle([run(job) for job in jobs])
            while self._runner.run(self._engine.release_children()):
                pass


def run(job: Claimed) -> Settlement:
    """Run a job, as far as the journal can tell."""
    journal.write(journal.START, job.id, job.attempt)
    journal.write(journal.END, job.id, job.attempt)
    return Settlement(job, "finish", time.time(), "null")


def record() -> None:
    """Record everything."""
    recorder = Recorder()
    while recorder.step(wait=0):
        pass


def compare(_given: object = None) -> None:
    """Compare ledger and broker once, from the beginning to the end."""
    for _pause in Comparison(timezone.now, AT_ONCE).run():
        pass


def come_by(scheduler: Scheduler) -> None:
    """Do what the ordinary processes do: a scheduler, a recorder, a worker."""
    with Worker("w-after") as worker:
        for _round in range(ROUNDS):
            scheduler.step()
            record()
            worker.work()
            record()
    compare()


def violations(world: World, *, forgetful: bool) -> Iterator[str]:
    """Yield what breaks I1 to I6, and every job that is stuck."""
    # What the invariants ask of a yard, a world answers as well.
    facts = invariants.Facts.read(cast("Yard", world), forgetful=forgetful)
    for name, found in invariants.broken(facts).items():
        yield from (f"{name}: {example}" for example in found["examples"])
    for job, state in facts.states.items():
        if state not in ENDED:
            yield f"{job} is {state}"
    for key in world.redis.scan_iter(keys.job("*")):
        job = key.decode().removeprefix(keys.job(""))
        if ":" not in job and job not in facts.states:
            yield f"{job} is in Redis and not in the ledger"
