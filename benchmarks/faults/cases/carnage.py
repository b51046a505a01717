"""Workers that are killed one after the other while thousands of short jobs drain (R3)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.faults import jobs, journal
from benchmarks.faults.catalog import PATIENCE, QUIET_WITHIN, Trial, scenario
from benchmarks.faults.programs import Program
from benchmarks.faults.runner import wait_for_quiet
from benchmarks.faults.yard import Yard
from benchmarks.harness import wait_until
from tasks.broker import keys
from tasks.registry import Call

WORKERS = 4

#: The slots of a worker, and the longest sleep of a job: together 160 jobs per second.
SLOTS = ("--children", "2", "--concurrency", "2")
LONGEST = 0.2

#: Seconds between two kills, on average.
KILL_EVERY = 2.0

#: Seconds that the jobs which are left may take when nobody is killed any more.
DRAIN = 900


@dataclass(frozen=True)
class Window:
    """A span of time, and how many jobs ended in it for the first time."""

    seconds: float
    jobs: int

    @property
    def rate(self) -> float:
        return self.jobs / self.seconds


@scenario(
    "R03",
    "kill -9 of one of 4 workers and its children every 2 s while short jobs drain",
    settings={"TASKYARD_QUARANTINE": "off"},
    takes=480,
)
def kill_at_random(trial: Trial) -> None:
    yard, count = trial.yard, trial.choose(50_001, 1_200)
    yard.serve()
    submitted = [
        job
        for queue in jobs.QUEUES
        for job in yard.submit(_short_jobs(trial, count // 3), queue=queue)
    ]
    for worker in [start_worker(yard) for _number in range(WORKERS)]:
        yard.wait_for_worker(worker)
    wait_until(lambda: yard.journal().count(journal.END) > 50, "the start", PATIENCE)
    calm_from = time.monotonic()
    time.sleep(trial.choose(60, 3))
    killing_from = time.monotonic()
    kills = kill_for(trial, trial.choose(300, 6))
    killing_to = time.monotonic()
    wait_until(lambda: not waiting(yard), "the empty queues", DRAIN)
    wait_for_quiet(yard, QUIET_WITHIN)  # some wait for the end of a dead worker's lease
    calm, killing = (
        window(yard, calm_from, killing_from),
        window(yard, killing_from, killing_to),
    )
    _tell(trial, submitted, kills, calm, killing)


def _short_jobs(trial: Trial, count: int) -> Iterator[Call]:
    for _number in range(count):
        task = trial.dice.choice((jobs.doze, jobs.doze_async))
        yield task.s(round(trial.dice.uniform(0, LONGEST), 3))


def start_worker(yard: Yard) -> Program:
    return yard.worker("--queues", ",".join(jobs.QUEUES), *SLOTS, ready=False)


def kill_for(trial: Trial, seconds: float) -> int:
    """Kill a worker, and start another in its place, until the time is over."""
    kills, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(trial.dice.uniform(0, 2 * trial.choose(KILL_EVERY, 1.0)))
        trial.dice.choice(trial.yard.living("worker")).kill()
        start_worker(trial.yard)
        kills += 1
    return kills


def waiting(yard: Yard) -> int:
    return sum(yard.redis.llen(keys.queue(queue)) for queue in jobs.QUEUES)


def window(yard: Yard, start: float, end: float) -> Window:
    first = [
        min((run.ended for run in runs if run.ended), default=0.0)
        for runs in yard.journal().runs().values()
    ]
    return Window(end - start, sum(start <= ended < end for ended in first))


def _tell(
    trial: Trial, submitted: list[str], kills: int, calm: Window, killing: Window
) -> None:
    runs = trial.yard.journal().runs()
    earlier = [run for some in runs.values() for run in some[:-1]]
    trial.facts |= {
        "kills": kills,
        "repeated runs": len(earlier),
        "jobs/s without faults": calm.rate,
        "jobs/s under faults": killing.rate,
        "slots": WORKERS * 4,
    }
    trial.ask("jobs that never ran", "≤", 0, len(set(submitted) - runs.keys()))
    unexplained = sum(not run.was_killed for run in earlier)
    trial.ask("repeats of jobs that no kill had hit", "≤", 0, unexplained)
    if not trial.short:  # a few seconds say nothing of a rate
        trial.ask("rate under faults", "≥", 70, 100 * killing.rate / calm.rate, "%")
