"""Workers that are replaced one by one, as a deployment does (R21)."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.faults import jobs, journal
from benchmarks.faults.catalog import Trial, scenario
from benchmarks.faults.flow import Flow, ask_for_all_runs, starts
from tasks.registry import Call
from tasks.states import State

#: Jobs per second, each so manyth of which is a long one.
RATE, LONG_EVERY = 40, 40

#: Seconds that a long job takes, and those that a worker gets to end.
LASTS, GRACE = 5.0, 1.0


@scenario(
    "R21",
    "SIGTERM to all workers one by one under load, 30 times",
    quiet_within=120,
    takes=420,
)
def roll(trial: Trial) -> None:
    yard = trial.yard
    yard.serve()
    for _number in range(trial.choose(3, 2)):
        _start_worker(trial)
    with Flow(yard, _call, RATE) as flow:
        for _number in range(trial.choose(30, 1)):
            for worker in yard.living("worker"):
                _start_worker(trial)
                worker.end()
    ask_for_all_runs(trial, 60)
    ids = list(flow.asked)
    lasting = {job for n, job in enumerate(ids) if n % LONG_EVERY == 0}
    _ask(trial, starts(yard.journal(), ids), lasting)


def _start_worker(trial: Trial) -> None:
    children = str(trial.choose(8, 4))
    trial.yard.worker("--grace", str(GRACE), "--children", children)


def _call(number: int) -> Call:
    if number % LONG_EVERY == 0:
        is_sync = number // LONG_EVERY % 2
        return (jobs.last if is_sync else jobs.last_async).s(LASTS)
    return (jobs.brief if number % 2 else jobs.brief_async).s()


def _ask(trial: Trial, begun: Mapping[str, int], lasting: set[str]) -> None:
    from tasks.models import Job

    failed = Job.objects.in_state(State.FAILED, State.LOST, State.QUARANTINED).count()
    trial.ask("jobs failed", "≤", 0, failed)
    repeated = sum(count > 1 for job, count in begun.items() if job not in lasting)
    trial.ask("short jobs that ran twice", "≤", 0, repeated)
    moved = sum(begun[job] > 1 for job in lasting)
    trial.ask("long jobs that were handed back", "≥", 1, moved)
    lines = trial.yard.journal().lines
    counted = {
        line.job for line in lines if line.event == journal.START and line.attempt > 1
    }
    trial.ask("long jobs to which that counted as an attempt", "≤", 0, len(counted))
