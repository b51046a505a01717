"""Jobs that kill the worker that runs them (R18)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from benchmarks.faults import jobs, misdeeds
from benchmarks.faults.cases.deaths import count_workers, start_up
from benchmarks.faults.catalog import Trial, scenario
from benchmarks.faults.flow import Flow, delays, starts
from benchmarks.faults.invariants import MOST_DEATHS
from benchmarks.faults.runner import wait_for_quiet
from benchmarks.harness import Summary, wait_until
from tasks.broker import keys
from tasks.registry import Call
from tasks.states import State

#: Good jobs per second, and seconds within which all jobs must have ended.
RATE, PATIENCE = 50, 300


@scenario(
    "R18",
    "20 jobs that kill -9 their worker, among 5,000 good ones",
    settings={"TASKYARD_TASKS": "benchmarks.faults.jobs,benchmarks.faults.misdeeds"},
    takes=500,
)
def poison(trial: Trial) -> None:
    yard, count = trial.yard, trial.choose(20, 2)
    workers = count_workers(trial)
    start_up(yard, workers)
    wait_until(lambda: yard.redis.scard(keys.WORKERS) >= workers, "the workers", 60)
    _tell_delay(trial, "before", _flow(trial, trial.choose(1_000, 50), ()))
    good = trial.choose(5_000, 200)
    places = trial.dice.sample(range(good // 2), count)
    asked = _flow(trial, good + count, places)
    by_place = list(asked)
    bad = {by_place[place] for place in places}
    deaths = starts(yard.journal(), bad)
    trial.ask("deaths by one job, most", "≤", MOST_DEATHS, max(deaths.values()))
    trial.ask("poison quarantined", "≥", count, _states(bad)[State.QUARANTINED])
    finished = _states(asked.keys() - bad)[State.FINISHED]
    trial.ask("good jobs lost or quarantined", "≤", 0, good - finished)
    _tell_delay(trial, "with poison", {job: asked[job] for job in asked.keys() - bad})


def _flow(trial: Trial, count: int, places: Collection[int]) -> dict[str, float]:
    """Submit jobs, poison at some places, and wait until all have ended.

    Returns when each was submitted, in this order.
    """

    def call(number: int) -> Call:
        if number in places:
            bad = trial.dice.choice((misdeeds.kill_worker, misdeeds.kill_worker_async))
            return bad.s()
        return (jobs.brief if number % 2 else jobs.brief_async).s()

    with Flow(trial.yard, call, RATE, most=count) as flow:
        wait_until(lambda: len(flow.asked) == count, "the flow", 2 * count / RATE + 60)
    wait_for_quiet(trial.yard, PATIENCE)
    return flow.asked


def _states(ids: Iterable[str]) -> Counter[str]:
    """Return how many of the jobs are in which state, as the ledger has it."""
    from tasks.models import Job

    known = dict(Job.objects.values_list("id", "state").iterator())
    return Counter(known.get(job, "unknown") for job in ids)


def _tell_delay(trial: Trial, when: str, asked: dict[str, float]) -> None:
    waited = Summary.of(delays(trial.yard.journal(), asked))
    trial.facts[f"good jobs' delay {when}, p50, s"] = waited.p50
    trial.facts[f"good jobs' delay {when}, p95, s"] = waited.p95
