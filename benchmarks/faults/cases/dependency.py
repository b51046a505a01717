"""What thousands of jobs depend on is down, and comes back (R20)."""

from __future__ import annotations

import statistics
import time
from collections import Counter

from benchmarks.faults import jobs, journal, misdeeds
from benchmarks.faults.catalog import Trial, scenario
from benchmarks.faults.flow import (
    Flow,
    ask_for_all_runs,
    ask_of_speed,
    delays,
    seconds_until,
)
from benchmarks.faults.journal import Journal
from benchmarks.faults.runner import unended
from benchmarks.harness import Summary
from tasks.registry import Call

#: Jobs of other tasks per second.
RATE = 20

#: Seconds that all retries may take when what they depend on is back.
DRAIN_WITHIN = 420


@scenario(
    "R20",
    "10,000 jobs fail at once, as what they depend on is down, and comes back",
    settings={"TASKYARD_TASKS": "benchmarks.faults.jobs,benchmarks.faults.misdeeds"},
    quiet_within=DRAIN_WITHIN,
    takes=480,
)
def take_down(trial: Trial) -> None:
    yard = trial.yard
    yard.serve()
    for _number in range(2):
        yard.worker()
    is_down = yard.data / "down"
    is_down.touch()
    calm, outage = trial.choose(20, 3), trial.choose(120, 2)
    with Flow(yard, _other, RATE) as before:
        time.sleep(calm)
    with Flow(yard, _other, RATE) as during:
        call = misdeeds.call_dependency_async.s(is_down)
        failing = set(yard.submit([call] * trial.choose(10_000, 300)))
        time.sleep(outage)
        is_down.unlink()
        took = seconds_until(lambda: not unended(failing), DRAIN_WITHIN)
    trial.facts["until all had run when it was back, s"] = took
    retries = retries_by_second(yard.journal(), failing)
    trial.facts["retries per second, by second"] = retries
    peak = max(retries) / statistics.mean(retries)
    ask_of_speed(trial, "retries per second, peak against mean", "≤", 2, peak, "×")
    ask_for_all_runs(trial)
    _compare(trial, before, during)


def _other(number: int) -> Call:
    return (jobs.brief if number % 2 else jobs.brief_async).s()


def retries_by_second(found: Journal, ids: set[str]) -> list[int]:
    """Return how many attempts after the first began in each second, from the first on."""
    times = [
        int(line.at)
        for line in found.lines
        if line.event == journal.START and line.attempt > 1 and line.job in ids
    ]
    counts = Counter(times)
    return [counts[second] for second in range(min(times), max(times) + 1)]


def _compare(trial: Trial, before: Flow, during: Flow) -> None:
    found = trial.yard.journal()
    calm = Summary.of(delays(found, before.asked)).p95
    busy = Summary.of(delays(found, during.asked)).p95
    trial.facts["other jobs' delay, p95 before, ms"] = 1e3 * calm
    trial.facts["other jobs' delay, p95 during, ms"] = 1e3 * busy
    share = 100 * busy / calm
    ask_of_speed(trial, "other jobs' p95 against before", "≤", 120, share, "%")
