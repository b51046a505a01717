"""Fires and backfills that are interrupted: what they find, and what must be so then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from benchmarks.faults import jobs
from tasks.models import Backfill, Fire, Job, Schedule
from tasks.policy import CODE
from tasks.schedules import backfill
from tasks.schedules.backfilling import Backfilling
from tasks.schedules.clock import clock
from tasks.schedules.fires import Firing
from tasks.schedules.moments import rule_of
from tasks.schedules.plans import plan_after_cursor
from tasks.states import State

MINUTE = timedelta(minutes=1)

#: How long ago the last moment of all was: long enough to be late for whoever looks now.
AGO = timedelta(hours=1)

#: Schedules for which no moment is late, and for which each one is: it must not matter
#: when they are decided.
PATIENT, STRICT = {"grace": 7 * 86_400}, {"grace": 0}

#: Each schedule's settings, its moments, and what is to become of them.
SCHEDULES: Mapping[str, tuple[Mapping[str, Any], int, Mapping[str, int]]] = {
    "plain": (PATIENT, 2, {"ran": 2}),
    "in line": (PATIENT | {"overlap": "queue_all"}, 3, {"ran": 3}),
    "one at a time": (PATIENT | {"overlap": "skip"}, 2, {"ran": 1, "skipped": 1}),
    "catching up": (STRICT | {"misfire": "all"}, 3, {"late": 3}),
    "once": (STRICT | {"misfire": "once"}, 3, {"missed": 2, "late": 1}),
    "skipping": (STRICT | {"misfire": "skip"}, 2, {"missed": 2}),
    "ill-fitting": (PATIENT | {"kwargs": {"colour": 7}}, 2, {"refused": 2}),
}


def have_due() -> datetime:
    """Have schedules whose moments have passed; returns when the last of them was."""
    last_at = clock.now().replace(second=0, microsecond=0) - AGO
    for name, (settings, count, _fates) in SCHEDULES.items():
        begin = last_at - (count - 1) * MINUTE
        _make(name, begin, last_at, cursor=begin - MINUTE, **settings)
    return last_at


#: Moments of a backfill, and how many of its jobs may be unended at once.
FILLED, AT_ONCE = 5, 2


def have_backfill() -> Backfill:
    """Have a backfill that nobody has begun."""
    last_at = clock.now().replace(second=0, microsecond=0) - AGO
    schedule = _make("past", last_at - AGO, last_at, cursor=last_at)
    first_at = last_at - FILLED * MINUTE
    return backfill.create(CODE, schedule, first_at, last_at, at_once=AT_ONCE)


def have_aborted() -> None:
    """Have a backfill that was aborted while its first jobs waited."""
    made = have_backfill()
    run_backfill()
    backfill.abort(CODE, made.pk)


def _make(name: str, begin: datetime, end: datetime, **settings: Any) -> Schedule:
    """Make a schedule that is over, which no door would let in."""
    times = {"kind": "every", "every": 60, "starts_at": begin, "ends_at": end}
    call = {"task": jobs.tick.task.name, "kwargs": {"schedule": name}, "queue": "first"}
    schedule = Schedule(name=name, **(call | times | settings))
    plan_after_cursor(schedule, rule_of(schedule))
    schedule.save(force_insert=True)
    return schedule


def fire(last_at: datetime) -> None:
    """Fire just after the last moments, as a scheduler that was there all the time."""
    Firing().step(last_at + timedelta(seconds=2))


def fire_late(_given: object) -> None:
    Firing().step(clock.now())


def run_backfill(_given: object = None) -> None:
    Backfilling().step(clock.now())


def each_moment_is_decided_once() -> Iterator[str]:
    """Yield what is wrong with the fires, their jobs and the schedules' counts."""
    fired = dict(Schedule.objects.values_list("name", "fired"))
    for name, (_settings, _count, fates) in SCHEDULES.items():
        fires = Fire.objects.filter(schedule__name=name)
        found = Counter(fires.values_list("verdict", flat=True))
        if found != Counter(fates):
            yield f"{name}: {dict(found)}, not {dict(fates)}"
        submitted = fires.submitted().count()
        if fired[name] != submitted:
            yield f"{name}: {submitted} fires, but {fired[name]} were counted"
    yield from _wrong_jobs()


def each_moment_is_filled_in_once() -> Iterator[str]:
    filled = Fire.objects.submitted().filter(backfill__isnull=False).count()
    if filled != FILLED:
        yield f"{filled} of {FILLED} moments were filled in"
    elif (most := _most_at_once()) > AT_ONCE:
        yield f"{most} jobs of a backfill went on at once, not {AT_ONCE}"
    yield from _wrong_jobs()


def _most_at_once() -> int:
    """Return how many jobs went on when another one was made, with that one."""
    times = list(Job.objects.values_list("created_at", "ended_at"))
    return max(
        sum(begun <= at and (end is None or end > at) for begun, end in times)
        for at, _end in times
    )


def what_waited_is_canceled() -> Iterator[str]:
    found = Counter(Job.objects.values_list("state", flat=True))
    if found != {State.CANCELED: AT_ONCE}:
        yield f"jobs of an aborted backfill: {dict(found)}"


def _wrong_jobs() -> Iterator[str]:
    """Yield fires without their job, and jobs without their fire."""
    fires = set(Fire.objects.submitted().values_list("job_key", flat=True))
    ticks = Job.objects.filter(task=jobs.tick.task.name)
    known = set(ticks.values_list("pk", flat=True))
    yield from (f"{job}: fired, but there is no such job" for job in fires - known)
    yield from (f"{job}: a job that nothing fired" for job in known - fires)
