"""What thousands of jobs depend on is down, and comes back (R20).

Their task has a circuit breaker. While it is open, few of them start; what is asked of the
time after is that they start evenly. **The release** lasts from the first start of one of
them that did not fail, the probe that closed a breaker, to the last start of them all; its
peak is the most starts within one second of it, counted from its beginning, its mean their
number divided by its length. A job has three retries: were the jobs tried again and again
while it is down, they would be used up, and the jobs fail for good.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

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

#: Jobs of other tasks per second, and workers.
RATE, WORKERS = 20, 2

#: Seconds that all of them may take when what they depend on is back.
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
    for _number in range(WORKERS):
        yard.worker()
    is_down = yard.data / "down"
    is_down.touch()
    calm, outage = trial.choose(20, 3), trial.choose(300, 4)
    with Flow(yard, _other, RATE) as before:
        time.sleep(calm)
    with Flow(yard, _other, RATE) as during:
        call = misdeeds.call_dependency_async.s(is_down)
        failing = set(yard.submit([call] * trial.choose(10_000, 1_000)))
        time.sleep(outage)
        is_down.unlink()
        took = seconds_until(lambda: not unended(failing), DRAIN_WITHIN)
    trial.facts["until all had run when it was back, s"] = took
    ask_for_all_runs(trial)
    _ask_of_starts(trial, failing, outage)
    _ask_of_looks(trial, failing)
    _compare(trial, before, during)


def _other(number: int) -> Call:
    return (jobs.brief if number % 2 else jobs.brief_async).s()


def _ask_of_starts(trial: Trial, ids: set[str], outage: float) -> None:
    in_vain, release = starts_of(trial.yard.journal(), ids)
    trial.facts["starts while it was down"] = len(in_vain)
    per_worker = len(in_vain) / outage / WORKERS
    what = "starts while it was down, per second and worker"
    ask_of_speed(trial, what, "≤", 1, per_worker, "")
    counts = by_second(release)
    trial.facts["starts when it was back, by second"] = counts
    mean = len(release) / max(1.0, release[-1] - release[0])
    what = "starts per second when it was back, peak against mean"
    ask_of_speed(trial, what, "≤", 2, max(counts) / mean, "×")


def starts_of(found: Journal, ids: set[str]) -> tuple[list[float], list[float]]:
    """Return when these jobs started before the release, and in it."""
    mine = [line for line in found.lines if line.job in ids]
    starts = sorted(line.at for line in mine if line.event == journal.START)
    well = {(line.job, line.attempt) for line in mine if line.event == journal.END}
    first = min(
        line.at
        for line in mine
        if line.event == journal.START and (line.job, line.attempt) in well
    )
    return [at for at in starts if at < first], [at for at in starts if at >= first]


def by_second(times: Sequence[float]) -> list[int]:
    """Return how many there are in each second from the first on."""
    counts = Counter(int(at - times[0]) for at in times)
    return [counts[second] for second in range(max(counts) + 1)]


def _ask_of_looks(trial: Trial, ids: set[str]) -> None:
    """Ask how often a worker looked at a job only to hold it back again."""
    from tasks.models import Job

    told = Job.objects.filter(task=misdeeds.call_dependency_async.task.name)
    # A push, two events for each look, and for each attempt its start and its end, of
    # which all but the last had another when the job was queued again.
    looks = [
        (seq - 3 * attempts) / 2
        for seq, attempts in told.values_list("seq", "attempt_count")
    ]
    what = "times that a waiting job was looked at, mean"
    ask_of_speed(trial, what, "≤", 15, sum(looks) / len(ids), "")


def _compare(trial: Trial, before: Flow, during: Flow) -> None:
    found = trial.yard.journal()
    calm = Summary.of(delays(found, before.asked)).p95
    busy = Summary.of(delays(found, during.asked)).p95
    trial.facts["other jobs' delay, p95 before, ms"] = 1e3 * calm
    trial.facts["other jobs' delay, p95 during, ms"] = 1e3 * busy
    share = 100 * busy / calm
    ask_of_speed(trial, "other jobs' p95 against before", "≤", 120, share, "%")
