"""A queue of a million jobs (R24)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.faults import jobs
from benchmarks.faults.catalog import Trial, scenario
from benchmarks.faults.flow import ask_of_speed
from benchmarks.faults.programs import Program
from benchmarks.faults.visitor import Visitor
from benchmarks.faults.yard import Yard
from benchmarks.harness import Summary, wait_until
from benchmarks.redis_load import SlowCalls, used_memory, watch_slow_calls
from tasks.broker import keys
from tasks.registry import DEFAULT_QUEUE

#: Jobs of the small queue that the large one is held against.
FEW = 1_000

#: The pages that are looked at.
PAGES = {"overview": "/", "queues": "/queues/", "jobs": "/jobs/"}

#: The part of the measured jobs that a new worker may take to get going.
LEAD_IN = 0.2

#: Times that each rate is measured.
ROUNDS = 3

#: Seconds that the recorder and the workers may take for all jobs.
PATIENCE = 1_800


@scenario("R24", "1,000,000 jobs queued", quiet_within=PATIENCE, takes=1_500)
def queue_many(trial: Trial) -> None:
    yard = trial.yard
    many, measured = trial.choose(1_000_000, 20_000), trial.choose(50_000, 2_000)
    yard.serve()
    visitor = Visitor.admit(yard)
    few = measure_claims(yard, measured, submits=True)
    submit(yard, FEW)
    watch_slow_calls()
    small = look(visitor, trial.choose(100, 5))
    before = used_memory()
    trial.facts["jobs submitted per second"] = submit(yard, many - FEW)
    trial.facts["bytes of Redis per queued job"] = (used_memory() - before) / many
    large = look(visitor, trial.choose(100, 5))
    _ask_of_pages(trial, small, large)
    _tell_of_claims(trial, few, measure_claims(yard, measured))
    for _number in range(2):
        yard.worker()
    wait_until(lambda: not _waiting(yard), "the drain", PATIENCE)
    slow = SlowCalls.seen()
    trial.facts["the longest call of Redis"] = slow.worst_call
    ask_of_speed(trial, "the longest call of Redis", "≤", 20, slow.worst_ms, "ms")


@dataclass(frozen=True)
class Claims:
    """Jobs per second of one worker: alone, and with recorder and scheduler at work."""

    alone: float
    beside: float


def submit(yard: Yard, count: int) -> float:
    """Submit so many jobs, wait for the recorder; returns how many per second."""
    began = time.monotonic()
    yard.submit([jobs.brief_async.s()] * count)
    took = time.monotonic() - began
    wait_for_recorder(yard)
    return count / took


def wait_for_recorder(yard: Yard) -> None:
    wait_until(lambda: not yard.redis.xlen(keys.EVENTS), "the recorder", PATIENCE)


def measure_claims(yard: Yard, count: int, *, submits: bool = False) -> Claims:
    """Have new workers run so many jobs each, which are submitted first or wait already."""
    alone, beside = [], []
    for _number in range(ROUNDS):
        for rates, circumstances in ((alone, _ledger_stopped), (beside, nullcontext)):
            if submits:
                submit(yard, count)
            with circumstances(yard), _without_rewrites(yard):
                rates.append(claim_rate(yard, count))
            wait_for_recorder(yard)
    return Claims(median(alone), median(beside))


def claim_rate(yard: Yard, count: int) -> float:
    """Have a new worker run so many of the waiting jobs; returns how many per second."""
    worker = yard.worker()
    began = _when_done(yard, worker, int(LEAD_IN * count))
    ended = _when_done(yard, worker, count - 1)
    worker.end()
    return (ended[1] - began[1]) / (ended[0] - began[0])


@contextmanager
def _ledger_stopped(yard: Yard) -> Iterator[None]:
    """Have recorder and scheduler stand still: they need cores of their own."""
    programs = [*yard.living("recorder"), *yard.living("scheduler")]
    frozen = [(program, program.freeze()) for program in programs]
    try:
        yield
    finally:
        for program, processes in frozen:
            program.thaw(processes)


@contextmanager
def _without_rewrites(yard: Yard) -> Iterator[None]:
    """Have Redis not rewrite its log meanwhile, as it does whenever that has doubled.

    Its child copies each page that is written then, and takes a core of its own: one
    window would have a rewrite in it, and the other none.
    """
    yard.redis.config_set("auto-aof-rewrite-percentage", 0)
    wait_until(lambda: not _is_rewriting(yard), "the rewrite of Redis' log", PATIENCE)
    try:
        yield
    finally:
        yard.redis.config_set("auto-aof-rewrite-percentage", 100)


def _is_rewriting(yard: Yard) -> bool:
    found: Any = yard.redis.info("persistence")
    return bool(found["aof_rewrite_in_progress"] or found["aof_rewrite_scheduled"])


def _when_done(yard: Yard, worker: Program, count: int) -> tuple[float, int]:
    """Wait until a worker has done so many jobs; returns when, and how many then."""

    def done() -> int:
        key = keys.worker(worker.name)
        return int(yard.redis.hget(key, "successful_job_count") or 0)

    wait_until(lambda: done() >= count, f"{count} jobs", PATIENCE)
    return time.monotonic(), done()


def _waiting(yard: Yard) -> int:
    return int(yard.redis.llen(keys.queue(DEFAULT_QUEUE)))


def look(visitor: Visitor, times: int) -> Mapping[str, Summary]:
    """Return how long each page took, in ms."""
    taken: dict[str, list[float]] = {name: [] for name in PAGES}
    for _number in range(times):
        for name, path in PAGES.items():
            answer = visitor.get(path)
            if answer.status != 200:
                raise RuntimeError(f"{path} answered {answer.status}")
            taken[name].append(1e3 * answer.seconds)
    return {name: Summary.of(found) for name, found in taken.items()}


def _tell_of_claims(trial: Trial, few: Claims, many: Claims) -> None:
    trial.facts["jobs/s of one worker, nothing else queued"] = few.alone
    share, beside = 100 * many.alone / few.alone, 100 * many.beside / few.beside
    trial.facts["the same beside recorder and scheduler, %"] = beside
    ask_of_speed(trial, "jobs/s against nothing else queued", "≥", 90, share, "%")


def _ask_of_pages(
    trial: Trial, small: Mapping[str, Summary], large: Mapping[str, Summary]
) -> None:
    for name in PAGES:
        ratio = large[name].p95 / small[name].p95
        trial.facts[f"{name} page, p95 with {FEW:,} jobs queued, ms"] = small[name].p95
        ask_of_speed(trial, f"{name} page, p95", "≤", 150, large[name].p95, "ms")
        what = f"{name} page, p95 against {FEW:,} queued"
        ask_of_speed(trial, what, "≤", 1.5, ratio, "×")
