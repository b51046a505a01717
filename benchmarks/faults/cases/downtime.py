"""An hour in which no scheduler runs (R15)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from benchmarks.faults.cases.ticks import at_work
from benchmarks.faults.catalog import PATIENCE, Trial, scenario
from benchmarks.faults.flow import seconds_until
from benchmarks.faults.timetable import accept_all, declare, jobs_of_schedules
from benchmarks.faults.wall_clock import WallClock
from benchmarks.faults.yard import Yard
from benchmarks.harness import wait_until

#: What the schedules say of moments that passed; each policy has as many schedules.
POLICIES: Mapping[str, Mapping[str, object]] = {
    "skip": {"misfire": "skip"},
    "once": {"misfire": "once"},
    "all": {"misfire": "all", "misfire_most": 10},
    "young": {"misfire": "all", "misfire_age": 1_800},
}

#: Seconds between the moments of a schedule, for which it is away, and its grace.
EVERY, AWAY, GRACE = 300, 3_600, 60

#: Jobs that may start in one second to make up for what passed, the same where the
#: machine has much else to do, and how soon a moment is decided that nobody had to make
#: up for.
MOST_A_SECOND, ON_BUSY, PROMPT = 50, 120, timedelta(seconds=5)

#: Seconds for everything to be decided, and for the jobs to run then.
DECIDED_WITHIN, QUIET_WITHIN = 60.0, 180.0


@dataclass(frozen=True)
class Spread:
    """A schedule whose moments lie between those of the others."""

    name: str
    policy: str
    begins_at: datetime

    def passed(self, after: datetime, until: datetime) -> list[datetime]:
        """Return its moments after one and not after the other, by plain counting."""
        every = timedelta(seconds=EVERY)
        first = (after - self.begins_at) // every + 1
        last = (until - self.begins_at) // every
        return [self.begins_at + number * every for number in range(first, last + 1)]

    def expected(self, after: datetime, now: datetime) -> dict[datetime, str]:
        """Return what is to become of the moments that passed, by its policy."""
        passed = self.passed(after, now)
        late = [at for at in passed if at < now - timedelta(seconds=GRACE)]
        first_late = len(late) - _RUN_LATE[self.policy](late, now)
        words = ["missed"] * first_late + ["late"] * (len(late) - first_late)
        return dict(zip(passed, [*words, *["ran"] * len(passed)], strict=False))


def _count_young(late: Sequence[datetime], now: datetime) -> int:
    return sum(at >= now - timedelta(seconds=1_800) for at in late)


#: How many of the moments that are too late each policy runs: the newest.
_RUN_LATE = {
    "skip": lambda _late, _now: 0,
    "once": lambda late, _now: min(1, len(late)),
    "all": lambda late, _now: min(10, len(late)),
    "young": _count_young,
}


@scenario(
    "R15",
    "no scheduler for an hour (all clocks are put forward), 200 schedules per policy",
    quiet_within=QUIET_WITHIN,
    takes=240,
)
def stay_away(trial: Trial) -> None:
    yard, clock = trial.yard, WallClock(trial.yard.data, "all")
    _restart_under(yard, clock)
    schedules = list(_schedules(trial))
    for one in schedules:
        policy = POLICIES[one.policy]
        declare(one.name, every=EVERY, starts_at=one.begins_at, grace=GRACE, **policy)
    _fire_for_a_while(trial)
    clock.set(AWAY)
    before = _decided_until()
    yard.serve(schedulers=2)
    took = seconds_until(lambda: not _are_behind(clock_ahead=AWAY), DECIDED_WITHIN)
    trial.facts["all decided after, s"] = took
    _stop_all()
    yard.worker("--children", "1")
    accept_all()
    _tell(trial, schedules, before)


def _restart_under(yard: Yard, clock: WallClock) -> None:
    """Have Redis, and all that is started from now on, go by a clock."""
    yard.server.stop()
    yard.server.environment = clock.environment
    yard.server.start()
    yard.environment = {**yard.environment, **clock.environment}


def _schedules(trial: Trial) -> Iterator[Spread]:
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    for policy in POLICIES:
        for number in range(trial.choose(200, 10)):
            offset = timedelta(milliseconds=trial.dice.randrange(EVERY * 1_000))
            yield Spread(f"{policy}-{number}", policy, begin + offset)


def _fire_for_a_while(trial: Trial) -> None:
    """Have schedulers decide some moments, then none any more."""
    yard = trial.yard
    yard.serve(schedulers=2, recorders=0)
    wait_until(lambda: len(at_work(yard)) == 2, "the schedulers", PATIENCE)
    wait_until(lambda: _count_fires() >= trial.choose(20, 1), "a few fires", PATIENCE)
    for each in yard.living("scheduler"):
        each.kill()


def _count_fires() -> int:
    from tasks.models import Fire  # once Django is set up

    return Fire.objects.count()


def _decided_until() -> dict[str, datetime]:
    from tasks.models import Schedule

    return dict(Schedule.objects.values_list("name", "cursor"))


def _are_behind(*, clock_ahead: float) -> bool:
    """Say whether a moment is due that nobody has decided, by the clock of the others."""
    from tasks.models import Schedule

    now = datetime.now(UTC) + timedelta(seconds=clock_ahead - 1)
    return Schedule.objects.filter(enabled=True, next_at__lte=now).exists()


def _stop_all() -> None:
    """Have no more moments come: what passed is what is looked at."""
    from tasks.models import Schedule
    from tasks.policy import CODE
    from tasks.schedules import definitions

    for name in Schedule.objects.values_list("name", flat=True):
        definitions.set_enabled(CODE, name, False)


# What became of the moments that passed.


def _tell(
    trial: Trial, schedules: Sequence[Spread], before: Mapping[str, datetime]
) -> None:
    found, wrong = _fires_since(before), Counter[str]()
    expected: Counter[str] = Counter()
    for one in schedules:
        fires = found[one.name]
        now = min(at for at, _verdict in fires.values()) if fires else None
        words = one.expected(before[one.name], now) if now else {}
        said = {due_at: v for due_at, (at, v) in fires.items() if at == now}
        differ = [at for at in words.keys() | said if words.get(at) != said.get(at)]
        wrong[one.policy] += len(differ) if now else 1
        expected.update(words.values())
    trial.facts["moments that passed"] = dict(expected)
    for policy in POLICIES:
        what = f"policy “{policy}”: moments with another fate"
        trial.ask(what, "≤", 0, wrong[policy])
    names = [one.name for one in schedules]
    strays = len(jobs_of_schedules(names)) - _count_submitted()
    trial.ask("jobs without a moment, or the other way round", "≤", 0, abs(strays))
    _ask_of_herd(trial)


def _fires_since(
    before: Mapping[str, datetime],
) -> Mapping[str, dict[datetime, tuple[datetime, str]]]:
    """Return when what was decided of each moment that was open before."""
    from tasks.models import Fire

    found: dict[str, dict[datetime, tuple[datetime, str]]] = defaultdict(dict)
    columns = ("schedule__name", "due_at", "decided_at", "verdict")
    for name, due_at, decided_at, verdict in Fire.objects.values_list(*columns):
        if due_at > before[name]:
            found[name][due_at] = decided_at, verdict
    return found


def _count_submitted() -> int:
    from tasks.models import Fire

    return Fire.objects.submitted().count()


def _ask_of_herd(trial: Trial) -> None:
    """Ask how many jobs, to make up for what passed, were queued within a second."""
    ids = set(_made_up())
    seconds_until(lambda: len(_queued_at(ids)) == len(ids), QUIET_WITHIN)
    trial.facts["jobs that made up for what passed"] = len(ids)
    peak = most_within(_queued_at(ids), timedelta(seconds=1))
    asked = trial.choose(MOST_A_SECOND, ON_BUSY)
    trial.ask("such jobs queued within one second, most", "≤", asked, peak, "jobs")


def _made_up() -> Iterator[str]:
    """Yield the jobs of moments that nobody acted upon when they were due."""
    from tasks.models import Fire

    columns = ("due_at", "decided_at", "job_key")
    for due_at, decided_at, job in Fire.objects.submitted().values_list(*columns):
        if decided_at - due_at > PROMPT:
            yield job


def _queued_at(ids: set[str]) -> list[datetime]:
    """Return when those of the jobs were queued that have been, in order."""
    from tasks.models import Job

    queued = Job.objects.filter(enqueued_at__isnull=False).order_by()
    found = queued.values_list("pk", "enqueued_at").iterator()
    return sorted(at for job, at in found if job in ids)


def most_within(moments: Sequence[datetime], span: timedelta) -> int:
    """Return how many of the moments, in order, lie within one stretch, at most."""
    most, first = 0, 0
    for number, at in enumerate(moments):
        while at - moments[first] >= span:
            first += 1
        most = max(most, number - first + 1)
    return most
