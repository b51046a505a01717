"""The scenarios: what each does, what it asks, and where it tells what it found.

A scenario is a function of a Trial:

    @scenario("R01", "kill -9 of a worker and its child")
    def kill_workers(trial: Trial) -> None:
        yard = trial.yard
        yard.serve()
        yard.worker()
        [job_id] = yard.submit([jobs.last.s(0.5)])
        ...
        trial.ask("restart, most of 20", "≤", 17, seconds, "s")

When it returns, the runner waits until all accepted jobs have ended, and checks the
invariants, each of which is a target of its own.
"""

from __future__ import annotations

import importlib
import pkgutil
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from benchmarks.faults import cases
from benchmarks.faults.yard import Yard
from benchmarks.report import Target

T = TypeVar("T")

#: Seconds within which all jobs must have ended when the faults are over.
QUIET_WITHIN = 60

#: Seconds that anything may take to begin on a busy machine.
PATIENCE = 120

#: Seconds that a busy machine may add to a time that the short form measures.
SLACK = 5


@dataclass
class Trial:
    """One run of a scenario: where it acts, its chance, and what it found."""

    yard: Yard
    dice: random.Random
    #: Whether this is the short form, which CI runs: seconds, not minutes.
    short: bool
    targets: list[Target] = field(default_factory=list)
    #: What a reader should know besides: counts, medians, conditions.
    facts: dict[str, Any] = field(default_factory=dict)

    def choose(self, long: T, short: T) -> T:
        return short if self.short else long

    def ask(
        self, what: str, relation: str, asked: float, reached: float, unit: str = ""
    ) -> None:
        """Note a figure (≤ or ≥ what is asked)."""
        self.targets.append(Target(what, relation, asked, reached, unit))

    def ask_within(self, what: str, seconds: float, reached: float) -> None:
        """Note a time; the short form allows for a machine that others use too."""
        self.ask(what, "≤", seconds + self.choose(0, SLACK), reached, "s")


Act = Callable[[Trial], None]


@dataclass(frozen=True, eq=False)
class Scenario:
    """One row of the scorecard."""

    #: R and two digits.
    name: str
    title: str
    act: Act = field(repr=False)
    #: The environment of all processes, this one too.
    settings: Mapping[str, str] = field(default_factory=dict)
    quiet_within: float = QUIET_WITHIN
    #: Whether Redis forgets things: then attempts may be unknown to the ledger.
    forgetful: bool = False
    #: Seconds that the long form takes, about.
    takes: float = 0

    @property
    def number(self) -> str:
        """Return the name as the scorecard has it, without the zero."""
        return f"R{int(self.name[1:])}"


_found: dict[str, Scenario] = {}


def scenario(name: str, title: str, **options: Any) -> Callable[[Act], Act]:
    """Register a scenario; the options are the fields of `Scenario`."""

    def register(act: Act) -> Act:
        _found[name] = Scenario(name, title, act, **options)
        return act

    return register


def scenarios() -> dict[str, Scenario]:
    """Return all scenarios by name; each module of `cases` registers its own.

    They name tasks, so Django's settings must be in the environment.
    """
    for module in pkgutil.iter_modules(cases.__path__):
        importlib.import_module(f"{cases.__name__}.{module.name}")
    return dict(sorted(_found.items()))


def find(text: str) -> Scenario:
    """Return the scenario that a user names: R3, r03. Raises ValueError."""
    name = f"R{int(text.lstrip('Rr')):02}"
    if name not in scenarios():
        raise ValueError(name)
    return _found[name]
