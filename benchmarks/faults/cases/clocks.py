"""Hosts whose clocks are wrong or jump (R23)."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from benchmarks.faults import jobs, journal
from benchmarks.faults.cases.ticks import AFTERWARDS, at_work, tell
from benchmarks.faults.catalog import PATIENCE, Trial, scenario
from benchmarks.faults.flow import seconds_until
from benchmarks.faults.local_days import ask_of_rules
from benchmarks.faults.programs import Program
from benchmarks.faults.runner import wait_for_quiet
from benchmarks.faults.timetable import (
    Kept,
    Timetable,
    accept_all,
    first_attempts,
    jobs_of_moments,
    wall_time,
)
from benchmarks.faults.wall_clock import WallClock
from benchmarks.harness import percentile, wait_until
from benchmarks.processes import cpu_of

#: Seconds by which two clocks are wrong, those by which a third one jumps, and between two
#: jumps.
FAST, SLOW = 90, -90
JUMPS, JUMP_EVERY = (3_600, 0, -3_600, 0), 5.0

#: Seconds that a job lasts whose lease is to outlive jumps, and after which it times out.
LASTS, TIMEOUT = 12.0, 60

#: The share of a core that a scheduler may need, whatever its clock says.
MOST_OF_A_CORE = 50


@scenario(
    "R23",
    "clocks 90 s fast, 90 s slow and jumping by an hour under schedulers and workers",
    takes=180,
)
def shift_clocks(trial: Trial) -> None:
    yard = trial.yard
    clocks = [WallClock(yard.data, name) for name in ("fast", "slow", "jumping")]
    fast, slow, jumping = clocks
    fast.set(FAST)
    slow.set(SLOW)
    yard.manage("recorder")
    schedulers = [yard.manage("scheduler", **c.environment) for c in clocks]
    slots = ("--children", "1", "--concurrency", "50")
    workers = [yard.worker(*slots, **clock.environment) for clock in clocks]
    wait_until(lambda: len(at_work(yard)) == len(clocks), "the schedulers", PATIENCE)
    with _jumps(jumping):
        together = _go_through(trial, "together")
        for each in schedulers[:2]:
            each.kill()
        alone = _go_through(trial, "alone")
        lost = _count_lost_workers()
        trial.ask("workers taken for dead that lived", "≤", 0, lost)
        _kill(trial, workers)
    jumping.set(max(JUMPS))
    _tell_of_core(trial, schedulers[2])
    _tell(trial, [together, alone])
    ask_of_rules(trial)


@contextmanager
def _jumps(clock: WallClock) -> Iterator[None]:
    """Have a clock jump to and fro until the block ends."""
    over = threading.Event()

    def jump() -> None:
        for seconds in itertools.cycle(JUMPS):
            clock.set(seconds)
            if over.wait(JUMP_EVERY):
                return

    thread = threading.Thread(target=jump)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@dataclass(frozen=True)
class Phase:
    """What went on while some schedulers ran: schedules, long jobs and delayed ones."""

    timetable: Timetable
    lasting: Sequence[str]
    #: When each delayed job was due, in Unix seconds.
    due: Mapping[str, float]


def _go_through(trial: Trial, name: str) -> Phase:
    """Have schedules, delays and long jobs for a while, and wait until all have ended."""
    yard, seconds = trial.yard, trial.choose(60, 12)
    names = [f"{name}-{number}" for number in range(trial.choose(10, 4))]
    timetable = Timetable.begin(names, timedelta(seconds=1), seconds, lead=8)
    long = [jobs.last.s(LASTS), jobs.last_async.s(LASTS)] * 3
    lasting = yard.submit(long, timeout=TIMEOUT)
    due = _submit_delayed(trial, timetable)
    time.sleep(max(0.0, timetable.last_at.timestamp() - time.time()))
    seconds_until(lambda: _count(timetable) >= len(timetable.moments), AFTERWARDS)
    accept_all()
    wait_for_quiet(yard, AFTERWARDS)
    return Phase(timetable, lasting, due)


def _count(timetable: Timetable) -> int:
    return len(jobs_of_moments(timetable.names))


def _submit_delayed(trial: Trial, timetable: Timetable) -> dict[str, float]:
    """Submit jobs that are due at random meanwhile; returns when each is, Unix seconds."""
    due: dict[str, float] = {}
    span = timetable.last_at.timestamp() - timetable.first_at.timestamp()
    for _number in range(trial.choose(300, 60)):
        at = timetable.first_at + timedelta(seconds=trial.dice.uniform(0, span))
        [job] = trial.yard.submit([jobs.brief_async.s()], at=at)
        due[job] = at.timestamp()
    return due


def _kill(trial: Trial, workers: Sequence[Program]) -> None:
    """Kill a worker whose clock is wrong, and ask when its job is started elsewhere."""
    yard = trial.yard
    go = yard.data / "go"
    [job] = yard.submit([jobs.wait_for.s(go)])

    def starts() -> list[journal.Line]:
        return yard.journal().of(job, journal.START)

    wait_until(lambda: bool(starts()), "the job's start", PATIENCE)
    pid = starts()[0].pid
    [host] = [each for each in workers if pid in {one.pid for one in each.tree()}]
    killed_at = host.kill()
    wait_until(lambda: len(starts()) > 1, "its start elsewhere", PATIENCE)
    go.touch()
    took = starts()[1].at - killed_at
    trial.ask_within(
        "a lost job starts elsewhere, the jumping scheduler alone", 17, took
    )


# What is asked.


def _tell(trial: Trial, phases: Sequence[Phase]) -> None:
    from tasks.models import Job  # once Django is set up

    lasting = [job for phase in phases for job in phase.lasting]
    rows = Job.objects.filter(pk__in=lasting, state="finished", attempt_count=1)
    what = "long jobs that lost their lease or their time"
    trial.ask(what, "≤", 0, len(lasting) - rows.count())
    _tell_of_delays(trial, {job: at for one in phases for job, at in one.due.items()})
    kept = Kept.read(trial.yard.journal(), [one.timetable for one in phases])
    trial.facts["due moments"] = len(kept.due)
    tell(trial, kept)


def _count_lost_workers() -> int:
    from tasks.models import Recovery

    return Recovery.objects.count()


def _tell_of_delays(trial: Trial, due: Mapping[str, float]) -> None:
    begun = first_attempts(trial.yard.journal())
    late = sorted(
        wall_time(min(line.at for line in begun[job])) - at
        for job, at in due.items()
        if job in begun
    )
    trial.ask("delayed jobs never run", "≤", 0, len(due) - len(late))
    # A score has three decimals.
    early = sum(seconds < -0.001 for seconds in late)
    trial.ask("delayed jobs run early", "≤", 0, early)
    trial.ask_within("delayed jobs late, p99", 2, percentile(late, 99))


def _tell_of_core(trial: Trial, scheduler: Program) -> None:
    """Ask what the scheduler needs whose clock jumps, with a job due in a while."""
    trial.yard.submit([jobs.brief_async.s()], delay=8)
    processes = scheduler.tree()
    cpu, began = cpu_of(processes), time.monotonic()
    time.sleep(5)
    share = 100 * (cpu_of(processes) - cpu) / (time.monotonic() - began)
    trial.ask("of a core, the jumping scheduler", "≤", MOST_OF_A_CORE, share, "%")
