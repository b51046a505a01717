"""Schedulers that are killed while schedules of each second are due (R14)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta

from benchmarks.faults.catalog import PATIENCE, Trial, scenario
from benchmarks.faults.flow import seconds_until
from benchmarks.faults.programs import Program
from benchmarks.faults.runner import wait_for_quiet
from benchmarks.faults.timetable import (
    Kept,
    Timetable,
    accept_all,
    wall_time,
)
from benchmarks.faults.yard import Yard
from benchmarks.harness import percentile, wait_until
from tasks.broker import keys

#: Schedulers that run at a time.
FEWEST, MOST = 2, 5

#: Seconds between two kills, those of the short form, and how long after a kill a moment
#: may be due that suffers from it.
BETWEEN, SHORTLY, SUFFERING = 10.0, 5.0, 5.0

#: Seconds after the last moment in which all must be decided, and then have run.
AFTERWARDS = 60.0

#: Seconds before the first moment.
LEAD = 5.0


@scenario(
    "R14",
    "kill -9 of one of 2 to 5 schedulers every 10 s, 20 schedules of each second",
    takes=700,
)
def kill_schedulers(trial: Trial) -> None:
    yard = trial.yard
    yard.serve(schedulers=FEWEST)
    yard.worker("--children", "1", "--concurrency", "100")
    wait_until(lambda: len(at_work(yard)) >= FEWEST, "the schedulers", PATIENCE)
    schedules, seconds = trial.choose((20, 600), (8, 20))
    names = [f"each-second-{number}" for number in range(schedules)]
    timetable = Timetable.begin(names, timedelta(seconds=1), seconds, lead=LEAD)
    kills = list(_kill_in_turn(trial, timetable.last_at.timestamp()))
    seconds_until(lambda: _is_decided(timetable), AFTERWARDS)
    accept_all()
    wait_for_quiet(yard, AFTERWARDS)
    kept = Kept.read(yard.journal(), [timetable])
    trial.ask("due moments", "≥", schedules * seconds, len(kept.due))
    trial.ask("schedulers killed", "≥", trial.choose(50, 2), len(kills))
    tell(trial, kept)
    takeovers = [_takeover(kept, at) for at in kills]
    trial.ask_within("the others take over, slowest", 5, max(takeovers))


def at_work(yard: Yard) -> list[Program]:
    """Return the schedulers that have said that they are well."""
    names: set[bytes] = set(yard.redis.hkeys(keys.LIVENESS))
    pids = {int(name.split(b":")[-1]) for name in names if name.startswith(b"sched")}
    return [each for each in yard.living("scheduler") if each.pid in pids]


def _kill_in_turn(trial: Trial, until: float) -> Iterator[float]:
    """Kill one that is at work every so often, and start others in its place.

    Yields when each was killed, in Unix seconds.
    """
    yard, between = trial.yard, trial.choose(BETWEEN, SHORTLY)
    next_at = time.time() + between
    while next_at < until:
        time.sleep(max(0.0, next_at - time.time()))
        # As many as are to be left: the one that is killed is not the only one.
        wait_until(lambda: len(at_work(yard)) >= FEWEST, "the schedulers", PATIENCE)
        yield wall_time(trial.dice.choice(at_work(yard)).kill())
        for _number in range(trial.dice.randint(FEWEST, MOST) - len(at_work(yard))):
            yard.manage("scheduler")
        next_at += between
    time.sleep(max(0.0, until - time.time()))


def _is_decided(timetable: Timetable) -> bool:
    from tasks.models import Fire  # once Django is set up

    fires = Fire.objects.filter(schedule__name__in=timetable.names)
    last = fires.filter(due_at=timetable.last_at)
    return last.count() == len(timetable.names)


def tell(trial: Trial, kept: Kept) -> None:
    """Ask that each moment was kept to once, and soon."""
    trial.ask("due moments missed", "≤", 0, kept.missed)
    trial.ask("due moments doubled", "≤", 0, kept.doubled)
    lateness = sorted(kept.lateness.values())
    if not lateness:
        return
    trial.facts["lateness p50, s"] = percentile(lateness, 50)
    trial.ask("jobs that began early", "≤", 0, _count_early(lateness))
    trial.ask_within(
        "from due moment to the job's start, p99", 2, percentile(lateness, 99)
    )
    trial.ask_within("from due moment to the job's start, most", 5, lateness[-1])


def _count_early(lateness: Sequence[float]) -> int:
    return sum(seconds < 0 for seconds in lateness)


def _takeover(kept: Kept, killed_at: float) -> float:
    """Return how long, at most, a moment waited that was due about the time of a kill.

    It counts from the kill, for moments that were due in the second before.
    """
    waits = [0.0]
    for (_name, due_at), started in kept.started.items():
        if killed_at - 1 <= due_at.timestamp() < killed_at + SUFFERING:
            waits.append(started - max(killed_at, due_at.timestamp()))
    return max(waits)
