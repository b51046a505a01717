"""Workers that are killed: with their children (R1), and without them (R2)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults import jobs, journal
from benchmarks.faults.catalog import PATIENCE, Trial, scenario
from benchmarks.faults.journal import Line
from benchmarks.faults.programs import Program, kill_all
from benchmarks.faults.yard import Yard
from benchmarks.harness import wait_until
from benchmarks.processes import Process, tree
from benchmarks.servers import free_port
from tasks.registry import TaskFunction

#: Workers that run at a time, those of the short form, and jobs whose workers die at
#: once.
WORKERS, FEW_WORKERS, AT_ONCE = 4, 3, 2

#: Seconds from a start to the kill at most: a lease is renewed each 5 s.
LONGEST_RUN = 5.0


@dataclass
class Victim:
    """A job whose worker is to die, and the file that lets it end."""

    yard: Yard
    job: str
    go: Path
    killed_at: float = 0.0

    def starts(self) -> list[Line]:
        return self.yard.journal().of(self.job, journal.START)

    def restart(self) -> float:
        """Wait until it has been started once more; returns how long that took."""
        what = f"another start of {self.job}"
        wait_until(lambda: len(self.starts()) > 1, what, PATIENCE)
        return self.starts()[1].at - self.killed_at


@dataclass
class Workers:
    """Those that die: started by the harness, or by a `manage.py up`."""

    yard: Yard
    count: int
    up: Program | None = None

    def refill(self) -> None:
        """Start others in the place of those that died; `up` does it by itself."""
        if self.up is None:
            for _number in range(self.count - len(self.yard.living("worker"))):
                self.yard.worker(ready=False)

    def trees(self) -> list[list[Process]]:
        """Return the processes of each worker."""
        if self.up is None:
            return [worker.tree() for worker in self.yard.living("worker")]
        return [tree(each.pid) for each in self.up.tree()[1:] if _is_worker(each)]


def _is_worker(process: Process) -> bool:
    try:
        words = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"worker" in words


@scenario("R01", "kill -9 of a worker and its children while jobs run", takes=420)
def kill_workers(trial: Trial) -> None:
    yard, kills, count = trial.yard, trial.choose(20, 2), count_workers(trial)
    yard.serve()
    workers = Workers(yard, count)
    _tell(trial, "starts elsewhere", 17, kill_in_turn(trial, workers, kills))
    yard.end()
    up = Workers(yard, count, start_up(yard, count))
    what = "starts elsewhere, the death seen by manage.py up"
    _tell(trial, what, 3, kill_in_turn(trial, up, kills))


def count_workers(trial: Trial) -> int:
    return trial.choose(WORKERS, FEW_WORKERS)


def start_up(yard: Yard, workers: int) -> Program:
    """Start everything as one command, on the Redis and the ledger of the yard."""
    words = ("--data", str(yard.data / "up"), "--port", str(free_port()))
    return yard.manage("up", *words, "--workers", str(workers), "--grace", "2")


def _tell(trial: Trial, what: str, asked: float, seconds: Sequence[float]) -> None:
    trial.facts[f"{what}: p50 of {len(seconds)}, s"] = statistics.median(seconds)
    trial.ask_within(f"{what}: most of {len(seconds)}", asked, max(seconds))


def kill_in_turn(trial: Trial, workers: Workers, kills: int) -> list[float]:
    """Kill the workers of some jobs at a time; returns how long each job waited then."""
    seconds: list[float] = []
    while len(seconds) < kills:
        workers.refill()
        tasks = [trial.dice.choice((jobs.wait_for, jobs.wait_for_async))] * AT_ONCE
        victims = submit_victims(trial, tasks)
        time.sleep(trial.dice.uniform(0, LONGEST_RUN))
        kill_hosts(victims, workers.trees())
        seconds += [victim.restart() for victim in victims]
        for victim in victims:
            victim.go.touch()
    return seconds[:kills]


def submit_victims(
    trial: Trial, tasks: Sequence[TaskFunction[[Path], Any]]
) -> list[Victim]:
    """Submit jobs that run until they are let go, and wait until all run."""
    yard, victims = trial.yard, []
    for task in tasks:
        go = yard.data / f"go-{trial.dice.getrandbits(64):x}"
        victims += [Victim(yard, job, go) for job in yard.submit([task.s(go)])]
    wait_until(lambda: all(v.starts() for v in victims), "the jobs' start", PATIENCE)
    return victims


def kill_hosts(
    victims: Sequence[Victim],
    workers: Sequence[Sequence[Process]],
    *,
    only_parents: bool = False,
) -> list[Process]:
    """Kill, all at once, the workers that the victims run in; returns who is left."""
    pids = {victim.starts()[-1].pid for victim in victims}
    hosts = [worker for worker in workers if pids & {each.pid for each in worker}]
    some = slice(1) if only_parents else slice(None)
    at = kill_all([process for host in hosts for process in host[some]])
    for victim in victims:
        victim.killed_at = at
    return [process for host in hosts for process in host[1:]]


@scenario("R02", "kill -9 of a worker but not of its children, jobs running", takes=200)
def kill_parents(trial: Trial) -> None:
    yard, kills = trial.yard, trial.choose(10, 2)
    yard.serve()
    workers = Workers(yard, count_workers(trial))
    survivors, overlaps = 0, []
    while len(overlaps) < kills:
        workers.refill()
        # One that hears of nothing, and one with signs of life.
        victims = submit_victims(trial, [jobs.deafen, jobs.wait_for])
        orphans = kill_hosts(victims, workers.trees(), only_parents=True)
        for victim in victims:
            victim.restart()
            overlaps.append(_overlap(victim))
        survivors += sum(orphan.is_alive for orphan in orphans)
        for victim in victims:
            victim.go.touch()
    trial.ask("children that outlived their worker", "≤", 0, survivors)
    trial.ask(f"overlap, most of {kills}", "≤", 0, max(overlaps), "s")


def _overlap(victim: Victim) -> float:
    orphan, later, *_others = victim.yard.journal().runs()[victim.job]
    return max(0.0, orphan.until - later.began)
