"""A Redis that is killed while thousands of jobs per second are submitted (R8)."""

from __future__ import annotations

import time

from benchmarks.faults import journal
from benchmarks.faults.catalog import PATIENCE, Trial, scenario
from benchmarks.faults.programs import Program
from benchmarks.faults.yard import Yard
from benchmarks.harness import wait_until
from tasks.conf import NO_LEDGER

#: Submissions per second, half by the ledger's door and half by that of Redis.
RATE = 2_000

#: Seconds that Redis is away each time.
AWAY = (0.0, 1.0)


@scenario(
    "R08",
    "kill -9 of Redis (appendfsync everysec) under 2,000 submissions per second",
    quiet_within=120,
    takes=180,
)
def kill_redis(trial: Trial) -> None:
    yard, seconds, kills = trial.yard, trial.choose(60, 6), trial.choose(8, 2)
    yard.serve()
    for _number in range(2):
        yard.worker()
    submitters = [start_submitter(yard, seconds)]
    submitters += [start_submitter(yard, seconds, **{NO_LEDGER: "1"})]
    wait_until(lambda: len(journal.accepted()) > 0, "a submission", PATIENCE)
    began, before = time.monotonic(), len(journal.accepted())
    for _number in range(kills):
        time.sleep(trial.dice.uniform(0.5, seconds / kills - 1))
        yard.server.kill()
        time.sleep(trial.dice.uniform(*AWAY))
        yard.server.start()
    during = len(journal.accepted()) - before
    rate = during / (time.monotonic() - began)
    trial.facts |= {"kills of Redis": kills, "accepted jobs/s meanwhile": rate}
    for submitter in submitters:
        submitter.process.wait(10 * seconds)
        *_warnings, counts = submitter.said().splitlines()
        trial.facts[f"{submitter.name}: accepted, refused"] = counts


def start_submitter(yard: Yard, seconds: int, **environment: str) -> Program:
    door = "redis" if NO_LEDGER in environment else "ledger"
    words = ("-m", "benchmarks.faults.submitter", "benchmarks.faults.jobs.brief_async")
    return yard.start(
        f"submitter-{door}", *words, str(RATE / 2), str(seconds), **environment
    )
