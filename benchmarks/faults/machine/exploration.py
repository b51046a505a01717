"""Many examples of the state machine, until enough steps have been taken."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import get_state_machine_test

from benchmarks.faults.machine import books
from benchmarks.faults.machine.clock import injected_clock
from benchmarks.faults.machine.machine import QUEUE, WORKERS, Machine
from tasks.broker.client import get_client
from tasks.broker.engine import Engine

#: Examples of one seed, and steps of each.
EXAMPLES, STEPS = 20, 60


@contextmanager
def machine(*changes: tuple[str, str]) -> Iterator[type[Machine]]:
    """Give the machine with what its examples share; leave nothing behind.

    `changes` are made to the scripts.
    """
    with injected_clock(*changes) as Machine.clock, asyncio.Runner() as Machine.runner:
        Machine.engines = {name: Machine.runner.run(_engine(name)) for name in WORKERS}
        Machine.steps, Machine.changes = 0, Counter()
        try:
            yield Machine
        finally:
            for engine in Machine.engines.values():
                Machine.runner.run(engine.close())
            get_client().flushdb()
            books.empty_ledger()


async def _engine(name: str) -> Engine:
    return Engine(name, "host", (QUEUE,))


def explore(
    machine: type[Machine], steps: int, seed: int, *, shrinks: bool = True
) -> None:
    """Take at least so many steps; raises AssertionError where the engine is wrong.

    Unless told otherwise, it looks for the shortest way there first.
    """
    settings = hypothesis.settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink)[: 1 + shrinks],
        suppress_health_check=list(HealthCheck),
    )
    while machine.steps < steps:
        seed += 1
        hypothesis.seed(seed)(get_state_machine_test(machine, settings=settings))()
