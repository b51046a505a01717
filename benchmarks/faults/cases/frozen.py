"""Workers that are stopped for longer than their leases last, and then go on (R4)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults import jobs
from benchmarks.faults.catalog import PATIENCE, Trial, scenario
from benchmarks.faults.journal import Run
from benchmarks.faults.programs import Program
from benchmarks.faults.runner import unended
from benchmarks.faults.yard import Yard
from benchmarks.harness import wait_until
from benchmarks.processes import Process
from tasks.registry import Call

#: Each worker runs one function and one coroutine at a time.
SLOTS = ("--children", "1", "--concurrency", "1")

#: Seconds of the jobs whose end comes while their worker is frozen.
BRIEF = 10.0

#: Seconds: a lease ends within 15, and a sweep comes each 2.
FROZEN_FOR, BRIEFLY = (18.0, 26.0), (17.5, 18.5)

#: Seconds after the thaw in which a late run must be gone.
AFTERLIFE = 5.0

#: Seconds that the jobs of a round may take to run again.
ROUND = 120


@dataclass(frozen=True)
class Freeze:
    """A worker that was frozen, with its processes and from when to when."""

    worker: Program
    family: Sequence[Process]
    processes: Sequence[Process]
    frozen_at: float


@scenario("R04", "a worker is frozen past its lease and goes on", takes=330)
def freeze_workers(trial: Trial) -> None:
    yard = trial.yard
    rounds, workers, frozen = trial.choose((5, 6, 4), (1, 3, 2))
    yard.serve()
    for _number in range(workers):
        yard.worker(*SLOTS)
    hits: list[Run] = []
    afterlives: list[float] = []
    for number in range(rounds):
        submitted, freezes, thawed_at = freeze_round(
            trial, yard.data / f"go-{number}", frozen
        )
        hit = list(runs_hit(yard, submitted, freezes))
        afterlives += [max(run.seen, thawed_at) - thawed_at for run in hit]
        hits += hit
    _tell(trial, rounds * frozen, hits, afterlives)


def freeze_round(
    trial: Trial, go: Path, frozen: int
) -> tuple[list[str], list[Freeze], float]:
    """Fill all slots, freeze some workers for a while, and let everything end.

    Returns the jobs, whom it froze, and when they were thawed.
    """
    yard = trial.yard
    workers = yard.living("worker")
    submitted = yard.submit(_calls(trial, go, len(workers)))
    wait_until(lambda: _started(yard, submitted), "the start of all jobs", PATIENCE)
    freezes = [_freeze(trial, each) for each in trial.dice.sample(workers, frozen)]
    time.sleep(trial.dice.uniform(*trial.choose(FROZEN_FOR, BRIEFLY)))
    thawed_at = time.monotonic()
    for freeze in freezes:
        freeze.worker.thaw(freeze.processes)
    time.sleep(AFTERLIFE)
    go.touch()
    wait_until(lambda: not unended(set(submitted)), "the end of all jobs", ROUND)
    return submitted, freezes, thawed_at


def _calls(trial: Trial, go: Path, workers: int) -> Iterator[Call]:
    """Yield a function and a coroutine for each worker, brief or not."""
    for brief, long in (
        (jobs.last, jobs.wait_for),
        (jobs.last_async, jobs.wait_for_async),
    ):
        for _number in range(workers):
            yield trial.dice.choice((brief.s(BRIEF), long.s(go)))


def _started(yard: Yard, submitted: Sequence[str]) -> bool:
    return set(submitted) <= yard.journal().runs().keys()


def _freeze(trial: Trial, worker: Program) -> Freeze:
    """Freeze a worker alone, or with its children, as a halted machine would."""
    family = worker.tree()
    with_children = trial.dice.random() < 0.5
    processes = worker.freeze(with_children=with_children)
    return Freeze(worker, family, processes, time.monotonic())


def runs_hit(
    yard: Yard, submitted: Sequence[str], freezes: Sequence[Freeze]
) -> Iterator[Run]:
    """Yield the runs that were going on in a worker when it was frozen."""
    frozen_at = {
        process.pid: freeze.frozen_at for freeze in freezes for process in freeze.family
    }
    runs = yard.journal().runs()
    for run in (run for job in submitted for run in runs[job]):
        at = frozen_at.get(run.pid, 0.0)
        if run.began < at and (run.ended is None or run.ended > at):
            yield run


def _tell(
    trial: Trial, freezes: int, hits: Sequence[Run], afterlives: Sequence[float]
) -> None:
    from tasks.models import Attempt  # once Django is set up

    rows = Attempt.objects.values_list("job_key", "number", "state", "superseded")
    found = {(job, number): (state, late) for job, number, state, late in rows}
    ends = [found[run.job, run.attempt] for run in hits]
    trial.facts |= {
        "freezes": freezes,
        "runs in frozen workers": len(hits),
        "late results that were refused": sum(late for _state, late in ends),
    }
    stale = sum(state == "finished" for state, _late in ends)
    trial.ask("runs hit by a freeze", "≥", freezes, len(hits))
    trial.ask("stale results accepted", "≤", 0, stale)
    trial.ask("a late run lives on, longest", "≤", AFTERLIFE, max(afterlives), "s")
