"""A Redis that is restarted while thousands of jobs run (R7)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.faults import jobs, journal
from benchmarks.faults.catalog import PATIENCE, SLACK, Trial, scenario
from benchmarks.faults.programs import Program
from benchmarks.faults.yard import Yard
from benchmarks.harness import wait_until
from tasks.broker import keys
from tasks.broker.jobs import read_state, request_stop
from tasks.registry import Call
from tasks.states import State

#: Workers that run at a time, and those of the short form.
WORKERS, FEW_WORKERS = 4, 2

#: The slots of a worker, and the longest sleep of a job: together about 100 a second.
SLOTS = ("--children", "2", "--concurrency", "6")
LONGEST = 0.6

#: Seconds between two restarts, and that Redis is away each time.
BETWEEN, AWAY = (1.0, 10.0), (0.0, 1.0)

#: Seconds after which a worker must claim again, and a stop command must work.
BACK_WITHIN = 3.0

#: A job that is to be stopped lasts so long, in seconds.
ENDLESS = 600.0


@dataclass
class Returns:
    """How long each worker took after each restart, and stops refused for too long."""

    claims: list[float] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)
    deaf: int = 0


@scenario("R07", "Redis is restarted while thousands of jobs run", takes=330)
def restart_redis(trial: Trial) -> None:
    yard, count = trial.yard, trial.choose(20_000, 600)
    yard.serve()
    queues = [own_queue(n) for n in range(trial.choose(WORKERS, FEW_WORKERS))]
    workers = {queue: start_worker(yard, queue) for queue in queues}
    yard.submit(_short_job(trial) for _number in range(count))
    returns = Returns()
    restarts = trial.choose(20, 2)
    for _number in range(restarts):
        restart_once(trial, workers, returns)
    trial.facts |= {"restarts": restarts, "stop commands": len(returns.stops)}
    slowest = max(returns.claims)
    trial.ask_within("a worker claims again, slowest", BACK_WITHIN, slowest)
    trial.ask("stop commands without effect", "≤", 0, returns.deaf)
    trial.ask_within("a stop command, slowest", BACK_WITHIN, max(returns.stops))
    wait_until(lambda: not waiting(yard), "the empty queue", 300)


def own_queue(number: int) -> str:
    return f"own-{number}"


def start_worker(yard: Yard, own: str) -> Program:
    """Start a worker with a queue of its own before the one that all share."""
    return yard.worker("--queues", f"{own},default", *SLOTS)


def _short_job(trial: Trial) -> Call:
    task = trial.dice.choice((jobs.doze, jobs.doze_async))
    return task.s(round(trial.dice.uniform(0, LONGEST), 3))


def waiting(yard: Yard) -> int:
    return int(yard.redis.llen(keys.queue("default")))


def restart_once(trial: Trial, workers: dict[str, Program], returns: Returns) -> None:
    """Have a job run in each worker, restart Redis, and stop those jobs."""
    yard = trial.yard
    endless = {
        queue: yard.submit([jobs.last_async.s(ENDLESS)], queue=queue)[0]
        for queue in workers
    }
    time.sleep(trial.dice.uniform(*trial.choose(BETWEEN, (1.0, 3.0))))
    wait_until(
        lambda: _all_started(yard, endless.values()), "the jobs' start", PATIENCE
    )
    yard.server.stop()
    time.sleep(trial.dice.uniform(*AWAY))
    yard.server.start()
    back_at = time.monotonic()
    returns.claims += [_first_claim(yard, w, back_at) for w in workers.values()]
    for job in endless.values():
        stop(job, back_at + BACK_WITHIN + trial.choose(0, SLACK), returns)


def _all_started(yard: Yard, job_ids: Iterable[str]) -> bool:
    started = {line.job for line in yard.journal().lines if line.event == journal.START}
    return started.issuperset(job_ids)


def _first_claim(yard: Yard, worker: Program, back_at: float) -> float:
    """Wait until a worker has begun a job since then; returns how long it took."""
    began: list[float] = []

    def has_claimed() -> bool:
        pids = {process.pid for process in worker.tree()}
        lines = yard.journal().since(back_at)
        began.extend(x.at for x in lines if x.event == journal.START and x.pid in pids)
        return bool(began)

    wait_until(has_claimed, f"a claim of {worker.name}", PATIENCE)
    return min(began) - back_at


def stop(job: str, by: float, returns: Returns) -> None:
    """Stop a job as an operator would; note how long it took, or that nobody heard by then.

    Right after a restart a stop may be refused, as the worker does not listen yet.
    """
    asked_at = time.monotonic()

    def has_stopped() -> bool:
        return read_state(job) == State.STOPPED

    if not request_stop(job):
        wait_until(lambda: request_stop(job), f"somebody who stops {job}", PATIENCE)
        returns.deaf += time.monotonic() > by
    wait_until(has_stopped, f"the stop of {job}", PATIENCE)
    returns.stops.append(time.monotonic() - asked_at)
