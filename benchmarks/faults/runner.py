"""Runs one scenario: acts, waits for quiet, checks the invariants, keeps what it found."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults import invariants, journal
from benchmarks.faults.catalog import Scenario, Trial
from benchmarks.faults.yard import Yard, open_yard
from benchmarks.harness import machine_facts
from benchmarks.report import Target, rounded
from tasks.states import ENDED

#: Seconds between looks at whether everything has ended; each reads the ledger.
LOOK_EVERY = 0.25

#: The score of a run, as the scorecard has it.
BROKEN, LATE, WITHIN = 0, 1, 2


@dataclass(frozen=True)
class Options:
    seed: int = 1
    short: bool = False
    database: str = "sqlite"
    server: str = "valkey"


@dataclass(frozen=True)
class Finding:
    """What one run of a scenario found."""

    scenario: Scenario
    options: Options
    targets: list[Target]
    broken: dict[str, dict[str, Any]]
    facts: dict[str, Any]
    #: The processes' last words, where an invariant is broken.
    said: str = ""

    @property
    def holds(self) -> bool:
        return not any(each["broken"] for each in self.broken.values())

    @property
    def score(self) -> int:
        if not self.holds:
            return BROKEN
        return WITHIN if all(target.is_met for target in self.targets) else LATE

    @property
    def command(self) -> str:
        o = self.options
        words = ["python -m benchmarks.faults run", self.scenario.name]
        words += ["--seed", str(o.seed)] + ["--short"] * o.short
        words += ["--database", o.database] if o.database != "sqlite" else []
        words += ["--server", o.server] if o.server != "valkey" else []
        return " ".join(words)

    def payload(self) -> dict[str, Any]:
        """Return it as JSON keeps it."""
        return {
            "command": self.command,
            **asdict(self.options),
            "score": self.score,
            "targets": [
                {**asdict(target), "is_met": target.is_met} for target in self.targets
            ],
            "invariants": self.broken,
            "facts": self.facts,
        }


def run(scenario: Scenario, options: Options) -> Finding:
    """Run a scenario in a yard of its own; what fails has the processes' last words."""
    settings = dict(scenario.settings)
    with open_yard(options.database, options.server, **settings) as yard:
        trial = Trial(yard, random.Random(options.seed), options.short)
        try:
            return _tried(scenario, options, trial)
        except Exception as error:
            error.add_note(yard.complaints())
            raise


def _tried(scenario: Scenario, options: Options, trial: Trial) -> Finding:
    yard, began = trial.yard, time.monotonic()
    before = machine_facts()
    scenario.act(trial)
    acted = time.monotonic()
    stuck = wait_for_quiet(yard, scenario.quiet_within)
    trial.ask(f"stuck after {scenario.quiet_within:g} s", "≤", 0, stuck)
    trial.facts["quiet after, s"] = time.monotonic() - acted
    yard.end()
    found = invariants.Facts.read(yard, forgetful=scenario.forgetful)
    trial.ask("jobs lost", "≤", 0, len(lost(found)))
    broken = invariants.broken(found)
    took = {"took, s": time.monotonic() - began}
    facts = {**before, **trial.facts, **_counts(found), **took}
    said = yard.complaints() if any(each["broken"] for each in broken.values()) else ""
    return Finding(scenario, options, trial.targets, broken, facts, said)


def lost(facts: invariants.Facts) -> set[str]:
    """Return the accepted jobs that nobody knows any more, or that never ran."""
    known = facts.states.keys()
    unseen = {job for job in facts.accepted if job not in known}
    return unseen - facts.excused


def _counts(facts: invariants.Facts) -> dict[str, Any]:
    found = facts.yard.journal()
    return {
        "accepted": len(facts.accepted),
        "states": dict(Counter(facts.states.values())),
        "runs": found.count(journal.START),
        "processes killed": found.count(journal.KILLED),
    }


def wait_for_quiet(yard: Yard, within: float) -> int:
    """Wait until every accepted job and attempt has ended, as far as the ledger knows.

    Returns how many of the jobs have not: they are stuck.
    """
    accepted = journal.accepted()
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if _is_quiet(accepted):
            return 0
        time.sleep(LOOK_EVERY)
    return len(unended(accepted))


def _is_quiet(accepted: set[str]) -> bool:
    from tasks.models import Attempt, Job  # once Django is set up

    if Job.objects.in_state(*ENDED).order_by().count() < len(accepted):
        return False
    return not (unended(accepted) or Attempt.objects.filter(ended_at=None).exists())


def unended(accepted: set[str]) -> set[str]:
    """Return the accepted jobs that have not ended."""
    from tasks.models import Job

    ended = Job.objects.in_state(*ENDED).order_by().values_list("id", flat=True)
    return accepted.difference(ended.iterator())


def keep(path: Path, finding: Finding) -> None:
    """Put a finding into a file of its scenario, in place of an earlier one like it."""
    kept = json.loads(path.read_text())["runs"] if path.exists() else []
    new = rounded(finding.payload())
    runs = [run for run in kept if run["command"] != new["command"]]
    lines = ",\n".join(json.dumps(run, ensure_ascii=False) for run in [*runs, new])
    head = {"scenario": finding.scenario.name, "title": finding.scenario.title}
    text = json.dumps(head, ensure_ascii=False)[:-1]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{text}, "runs": [\n{lines}\n]}}\n')
