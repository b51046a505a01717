"""Jobs that take more than their share, and good ones beside them (R19)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults import jobs, journal, misdeeds
from benchmarks.faults.catalog import Trial, scenario
from benchmarks.faults.flow import Flow
from benchmarks.faults.runner import wait_for_quiet
from benchmarks.faults.yard import Yard
from tasks.registry import Call
from tasks.states import State

#: Good jobs per second beside them.
RATE = 20

#: Seconds after its limit that a job may live on, and after which it is given up.
KILLED_WITHIN, PATIENCE = 5, 60

#: Seconds between two looks at who lives.
LOOK_EVERY = 0.05

#: Megabytes of log that are kept of an attempt.
LOG_KEPT = 5


@dataclass(frozen=True)
class Misdeed:
    """What a job does, and from when on it must be killed."""

    name: str
    call: Call
    #: The line of the journal from which its limit counts, and seconds after that.
    over_by: str = journal.START
    after: float = misdeeds.TIMEOUT


@scenario(
    "R19",
    "memory hog, fork bomb, open files, log flood, deaf to signals, a loop in C",
    settings={"TASKYARD_TASKS": "benchmarks.faults.jobs,benchmarks.faults.misdeeds"},
    takes=120,
)
def break_limits(trial: Trial) -> None:
    yard = trial.yard
    yard.serve()
    worker = yard.worker("--children", "10")
    misdeeds_asked = _misdeeds(trial)
    with Flow(yard, _good, RATE) as flow:
        ids = [yard.submit([each.call])[0] for each in misdeeds_asked]
        lived = lived_on(yard, dict(zip(ids, misdeeds_asked, strict=True)))
        for each, job in zip(misdeeds_asked, ids, strict=True):
            trial.ask(each.name, "≤", KILLED_WITHIN, lived[job], "s")
    wait_for_quiet(yard, PATIENCE)
    trial.ask("log flood: kept, MB", "≤", LOG_KEPT + 0.1, _kept_of_log(ids[-1]))
    good = set(flow.asked)
    trial.ask("other jobs that did not finish", "≤", 0, len(good) - _finished(good))
    trial.ask("workers that ended", "≤", 0, int(not worker.is_alive))


def _misdeeds(trial: Trial) -> Sequence[Misdeed]:
    megabytes, flood = trial.choose(2_048, 512), trial.choose(1_024, 128)
    return (
        Misdeed("memory hog", misdeeds.hog.s(megabytes), misdeeds.OVER, 0),
        Misdeed("fork bomb of 200", misdeeds.fork_bomb.s(trial.choose(200, 20))),
        Misdeed("open files", misdeeds.leak_files.s()),
        Misdeed("deaf to signals", misdeeds.ignore_signals.s()),
        Misdeed("loop in C", misdeeds.loop_in_c.s()),
        Misdeed("log flood", misdeeds.flood_log.s(flood), misdeeds.OVER, 0),
    )


def _good(number: int) -> Call:
    return (jobs.brief if number % 2 else jobs.brief_async).s()


def lived_on(yard: Yard, misdeeds: Mapping[str, Misdeed]) -> dict[str, float]:
    """Return for how long after its limit any process of each job lived on, in seconds."""
    lived: dict[str, float] = {}
    given_up_at = time.monotonic() + PATIENCE
    while len(lived) < len(misdeeds) and time.monotonic() < given_up_at:
        told, processes, now = yard.journal(), list(_processes()), time.monotonic()
        for job in misdeeds.keys() - lived.keys():
            over = told.of(job, misdeeds[job].over_by)
            pids = {line.pid for line in told.lines if line.job == job}
            if over and not _is_alive(pids, processes):
                lived[job] = max(0.0, now - over[0].at - misdeeds[job].after)
        time.sleep(LOOK_EVERY)
    return dict.fromkeys(misdeeds, float(PATIENCE)) | lived


def _is_alive(pids: set[int], processes: Sequence[tuple[int, str, int]]) -> bool:
    """Say whether one of these processes runs, or any of their groups."""
    return any(
        state != "Z" and (pid in pids or group in pids)
        for pid, state, group in processes
    )


def _processes() -> Iterator[tuple[int, str, int]]:
    """Yield the number, the state and the group of each process."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            fields = entry.read_text().rpartition(")")[2].split()
            yield int(entry.parent.name), fields[0], int(fields[2])


def _kept_of_log(job: str) -> float:
    from tasks.models import Attempt

    logs = Attempt.objects.filter(job_key=job).values_list("log", flat=True)
    return max(len(log.encode()) for log in logs) / 2**20


def _finished(ids: set[str]) -> int:
    from tasks.models import Job

    finished = Job.objects.in_state(State.FINISHED).values_list("id", flat=True)
    return len(ids.intersection(finished.iterator()))
