"""A Redis that forgets: the end of its log (R9), everything (R10)."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.faults import jobs, journal, leftovers
from benchmarks.faults.catalog import Trial, scenario
from benchmarks.faults.flow import Flow, ask_for_all_runs, seconds_until
from benchmarks.faults.redis_server import RedisServer
from benchmarks.faults.runner import unended, wait_for_quiet
from benchmarks.faults.timetable import (
    Kept,
    Timetable,
    accept_all,
    first_attempts,
    wall_time,
)
from benchmarks.faults.yard import Yard
from benchmarks.harness import wait_until
from tasks.broker import keys

#: Seconds of its log that a power cut takes.
CUT = 2.0

#: Seconds between two looks at how long the log is.
LOOK_EVERY = 0.01

#: Seconds after which a job that is not back is given up.
PATIENCE = 180

#: Jobs that run when Redis is wiped: one in each child of the workers.
WORKERS, CHILDREN = 2, 4

#: Seconds from their submission in which delayed jobs come due, most of them when Redis
#: has been wiped, and seconds between the moments of a schedule.
DELAYS, SHORT_DELAYS, EVERY = (60.0, 150.0), (15.0, 30.0), 5

#: Seconds before the first of these moments.
LEAD = 4.0


@scenario(
    "R09",
    "power cut: Redis killed, the last 2 s of its append-only log cut off",
    forgetful=True,
    quiet_within=180,
    takes=120,
)
def cut_power(trial: Trial) -> None:
    yard, server = trial.yard, trial.yard.server
    yard.redis.config_set("auto-aof-rewrite-percentage", 0)
    yard.serve()
    for _number in range(WORKERS):
        yard.worker("--concurrency", str(trial.choose(500, 20)), "--children", "2")
    yard.submit([jobs.brief_async.s()] * trial.choose(100_000, 1_000))
    with (
        Flow(yard, lambda _n: jobs.last_async.s(0.5), trial.choose(1_000, 150)),
        LogWatch(server) as log,
    ):
        time.sleep(trial.dice.uniform(2 * CUT, 3 * CUT))
        server.kill()
        before = journal.accepted()
        trial.facts["bytes cut off"] = log.cut(CUT)
        time.sleep(1)
        server.start()
        began = time.monotonic()
        gone = absent(yard, unended(before))
        trial.ask("jobs that the cut took out of Redis", "≥", 1, len(gone))
        took = seconds_until(lambda: not absent(yard, unended(before)), PATIENCE)
        trial.ask("all accepted jobs are back", "≤", 30, took, "s")
        time.sleep(max(0.0, 2 - (time.monotonic() - began)))
    ask_for_all_runs(trial, PATIENCE)


class LogWatch:
    """Notes how long the append-only log was when.

    Redis writes whole commands, so each length that it had is a border between two.
    """

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._lengths: list[tuple[float, int]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> LogWatch:
        self._thread.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(LOOK_EVERY):
            self._lengths.append((time.monotonic(), self._file().stat().st_size))

    def _file(self) -> Path:
        """Return the part that is appended to."""
        parts = self._server.log_folder.glob("*.incr.aof")
        return max(parts, key=lambda part: int(part.name.split(".")[-3]))

    def cut(self, seconds: float) -> int:
        """Cut off what was written in the last seconds; returns how many bytes."""
        last = time.monotonic() - seconds
        kept = max(length for at, length in self._lengths if at <= last)
        size = self._file().stat().st_size
        os.truncate(self._file(), kept)
        return size - kept


def absent(yard: Yard, ids: Iterable[str]) -> set[str]:
    """Return those of the jobs of which Redis has nothing."""
    found, listed = set(), list(ids)
    for start in range(0, len(listed), leftovers.AT_ONCE):
        some = listed[start : start + leftovers.AT_ONCE]
        pipeline = yard.redis.pipeline(transaction=False)
        for job in some:
            pipeline.exists(keys.job(job))
        answers = zip(some, pipeline.execute(), strict=True)
        found |= {job for job, is_there in answers if not is_there}
    return found


@scenario(
    "R10",
    "all of Redis gone with 10,000 jobs queued, 10,000 delayed, 8 running, 50 schedules:"
    " FLUSHALL, a new server",
    forgetful=True,
    quiet_within=180,
    takes=600,
)
def wipe(trial: Trial) -> None:
    yard = trial.yard
    yard.serve()
    for _number in range(WORKERS):
        yard.worker("--children", str(CHILDREN), "--concurrency", "20")
    ways = [("FLUSHALL", _flush), ("an empty new server", _replace)]
    timetables, due = [], dict[str, float]()
    for name, way in trial.choose(ways, [trial.dice.choice(ways)]):
        timetables.append(_timetable(trial, name))
        with _crowd(trial, due) as ids:
            way(yard)
            took = seconds_until(lambda ids=ids: not unlisted(yard, ids), PATIENCE)
            trial.ask(f"all back after {name}", "≤", 60, took, "s")
        last_at = timetables[-1].last_at.timestamp()
        time.sleep(max(0.0, last_at + EVERY - time.time()))
        accept_all()
        wait_for_quiet(yard, PATIENCE)
    ask_for_all_runs(trial)
    kept = Kept.read(yard.journal(), timetables)
    trial.ask("due moments of the schedules missed", "≤", 0, kept.missed)
    trial.ask("delayed jobs run early", "≤", 0, _count_early(yard, due))


def _count_early(yard: Yard, due: Mapping[str, float]) -> int:
    """Return how many jobs began before they were due (in Unix seconds)."""
    begun = first_attempts(yard.journal())
    starts = {job: wall_time(min(line.at for line in begun[job])) for job in begun}
    # A score has three decimals.
    return sum(starts[job] < due[job] - 0.001 for job in due.keys() & starts)


def _timetable(trial: Trial, way: str) -> Timetable:
    """Have schedules that fire before the crowd is there, and beyond the wipe."""
    names = [f"{way} {number}" for number in range(trial.choose(50, 5))]
    every, count = timedelta(seconds=EVERY), trial.choose(36, 8)
    return Timetable.begin(names, every, count, lead=LEAD)


def _flush(yard: Yard) -> None:
    yard.redis.flushall()


def _replace(yard: Yard) -> None:
    yard.server.kill()
    shutil.rmtree(yard.server.log_folder)
    yard.server.start()


@contextmanager
def _crowd(trial: Trial, due: dict[str, float]) -> Iterator[set[str]]:
    """Have every child run a job until the block ends, and others wait; give all ids.

    When the delayed ones are due is added to `due`, in Unix seconds.
    """
    yard, go = trial.yard, trial.yard.data / f"go-{trial.dice.getrandbits(64):x}"
    running = set(yard.submit([jobs.wait_for.s(go)] * (WORKERS * CHILDREN)))
    wait_until(lambda: running <= _started(yard), "the start of the running jobs", 60)
    count = trial.choose(10_000, 500)
    delayed = _submit_delayed(trial, count)
    due |= delayed
    waiting = {*yard.submit([jobs.brief.s()] * count), *delayed}
    wait_until(lambda: _recorded(yard) >= running | waiting, "the recorder", 60)
    yield running | waiting
    go.touch()


def _submit_delayed(trial: Trial, count: int) -> dict[str, float]:
    """Submit jobs that come due at a hundred moments; returns when each does."""
    span = trial.choose(DELAYS, SHORT_DELAYS)
    due: dict[str, float] = {}
    for _moment in range(100):
        at = datetime.now(UTC) + timedelta(seconds=trial.dice.uniform(*span))
        calls = [jobs.brief_async.s()] * (count // 100)
        due |= dict.fromkeys(trial.yard.submit(calls, at=at), at.timestamp())
    return due


def _started(yard: Yard) -> set[str]:
    return {line.job for line in yard.journal().lines if line.event == journal.START}


def _recorded(yard: Yard) -> set[str]:
    """Return the jobs whose push the ledger has heard of."""
    from tasks.models import Job

    return set(Job.objects.filter(seq__gt=0).values_list("id", flat=True))


def unlisted(yard: Yard, ids: set[str]) -> set[str]:
    """Return those of the jobs that neither wait in Redis nor run, nor have ended."""
    reads: list[Callable[[str], Any]] = [
        lambda queue: yard.redis.lrange(keys.queue(queue), 0, -1),
        lambda queue: yard.redis.zrange(keys.scheduled(queue), 0, -1),
        lambda queue: yard.redis.zrange(keys.lease(queue), 0, -1),
    ]
    listed = {
        member.decode().partition(":")[0]
        for queue in leftovers.queues(yard)
        for read in reads
        for member in read(queue)
    }
    delayed: Any = yard.redis.zrange(keys.DELAYED, 0, -1)
    return unended(ids) - listed - {member.decode() for member in delayed}
