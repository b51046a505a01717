"""What must hold after every scenario, whatever was done to it (I1 to I6).

Each check returns what breaks it, in words; none means that it holds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from benchmarks.faults import journal, leftovers
from benchmarks.faults.journal import Run
from benchmarks.faults.yard import Yard
from tasks.states import ENDED

#: Deaths of its workers that a job may cause before it is quarantined, and workers that
#: may be lost with it: while one runs it alone, under a keeper, it is not to blame.
MOST_DEATHS, MOST_LOSSES = 3, 5

#: Violations of one kind that a report names; it counts all.
NAMED = 5


@dataclass(frozen=True)
class Try:
    """An attempt, as the ledger has it."""

    job: str
    number: int
    state: str
    superseded: bool


@dataclass
class Facts:
    """All that the checks look at, read once when everything is quiet."""

    yard: Yard
    accepted: set[str]
    #: The ledger's state of each job, and how often it may be retried.
    states: Mapping[str, str]
    retries: Mapping[str, int]
    tries: Mapping[str, Sequence[Try]]
    runs: Mapping[str, Sequence[Run]]
    #: Whether Redis forgot things: then the ledger may not know of an attempt.
    forgetful: bool = False
    quarantines: bool = True
    #: Jobs that a client rightly decided about: deleted, pruned.
    excused: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, yard: Yard, *, forgetful: bool = False) -> Facts:
        from tasks.models import Attempt, Job  # once Django is set up

        columns = ("job_key", "number", "state", "superseded")
        tries: dict[str, list[Try]] = defaultdict(list)
        for row in Attempt.objects.values_list(*columns).iterator():
            tries[row[0]].append(Try(*row))
        rows = list(Job.objects.values_list("id", "state", "retries").iterator())
        return cls(
            yard=yard,
            accepted=journal.accepted(),
            states={job: state for job, state, _retries in rows},
            retries={job: retries for job, _state, retries in rows},
            tries=tries,
            runs=yard.journal().runs(),
            forgetful=forgetful,
            quarantines=yard.environment.get("TASKYARD_QUARANTINE") != "off",
        )


def no_accepted_job_is_missing(facts: Facts) -> Iterator[str]:
    """I1: it has a row, it has ended, and what ended well was run to its end."""
    for job in facts.accepted - facts.excused:
        state = facts.states.get(job)
        if state is None:
            yield f"{job}: accepted, and not in the ledger"
        elif state not in ENDED:
            yield f"{job}: still {state}"
        elif state == "finished" and facts.runs and not _ran_to_its_end(facts, job):
            yield f"{job}: finished, but no run of it came to its end"


def _ran_to_its_end(facts: Facts, job: str) -> bool:
    return any(run.ended is not None for run in facts.runs.get(job, ()))


def each_job_ended_once(facts: Facts) -> Iterator[str]:
    """I2: one attempt at most decided about it, and Redis says what the ledger says."""
    for job, tries in facts.tries.items():
        numbers = [each.number for each in tries if each.state == "finished"]
        # A Redis that forgot an attempt makes it again, under the same number.
        finished = len(set(numbers) if facts.forgetful else numbers)
        if finished > 1:
            yield f"{job}: finished {finished} times"
        if finished and facts.states.get(job) != "finished":
            yield f"{job}: an attempt finished, but the job is {facts.states.get(job)}"
    yield from leftovers.disagreements(facts.yard, facts.states)


def no_two_runs_overlap(facts: Facts) -> Iterator[str]:
    """I3: unless the earlier one had lost its lease, and then its end was refused."""
    for job, runs in facts.runs.items():
        for earlier, later in combinations(runs, 2):
            if later.began >= earlier.until:
                continue
            tries = [t for t in facts.tries.get(job, ()) if t.number == earlier.attempt]
            if not any(t.state == "lost" for t in tries):
                seconds = earlier.until - later.began
                yield f"{job}: two runs of it overlapped by {seconds:.3f} s"
    yield from _accepted_late(facts)


def _accepted_late(facts: Facts) -> Iterator[str]:
    """Yield jobs whose result is that of an attempt that another had followed."""
    for job, tries in facts.tries.items():
        last = max(each.number for each in tries)
        for each in tries:
            if each.state == "finished" and each.number < last:
                yield f"{job}: attempt {each.number} finished after {last} had begun"


def attempts_keep_to_their_limit(facts: Facts) -> Iterator[str]:
    """I4: no more failures, deaths or runs than were allowed."""
    for job, tries in facts.tries.items():
        states = Counter(each.state for each in tries)
        if states["failed"] > 1 + facts.retries.get(job, 0):
            yield f"{job}: failed {states['failed']} times"
        deaths = states["lost"] + states["quarantined"]
        if facts.quarantines and deaths > MOST_LOSSES:
            yield f"{job}: its workers died {deaths} times"
    for job, runs in facts.runs.items():
        known = len(facts.tries.get(job, ()))
        if len(runs) > known and not facts.forgetful:
            yield f"{job}: ran {len(runs)} times, by {known} attempts"


def nothing_is_left_running(facts: Facts) -> Iterator[str]:
    """I5: no record of a run, no lease and no lock."""
    for job, state in facts.states.items():
        if state == "started":
            yield f"{job}: started in the ledger"
    for job, tries in facts.tries.items():
        for each in tries:
            if each.state == "started":
                yield f"{job}: attempt {each.number} started in the ledger"
    yield from leftovers.running(facts.yard)


def the_pages_count_what_is_there(facts: Facts) -> Iterator[str]:
    """I6: the figures of the pages are those of the ledger and of Redis."""
    expected = Counter(facts.states.values())
    for what, shown, true in leftovers.figures(facts.yard, expected):
        if shown != true:
            yield f"{what}: the pages say {shown}, and there are {true}"


CHECKS: dict[str, Callable[[Facts], Iterator[str]]] = {
    "I1": no_accepted_job_is_missing,
    "I2": each_job_ended_once,
    "I3": no_two_runs_overlap,
    "I4": attempts_keep_to_their_limit,
    "I5": nothing_is_left_running,
    "I6": the_pages_count_what_is_there,
}


def broken(facts: Facts) -> dict[str, dict[str, Any]]:
    """Return for each invariant how often it is broken, and where for example."""
    results = {}
    for name, check in CHECKS.items():
        found = list(check(facts))
        results[name] = {"broken": len(found), "examples": found[:NAMED]}
    return results
