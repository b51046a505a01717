"""Circuit breakers: a task that fails again and again is tried rarely, until it succeeds.

Each worker judges for itself, by what it saw, in seconds of one clock that it is given.
"""

from __future__ import annotations

import heapq
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.broker.attempts import HeldBack, Hold
from tasks.registry import Task

logger = logging.getLogger(__name__)

#: Seconds from a failure to the next try: after the first, and at most.
FIRST_COOLDOWN, LONGEST_COOLDOWN = 1.0, 60.0

#: Seconds between two jobs that come back, so that they come back evenly, and how far
#: ahead the last one may be: with what one claim holds back, less than five minutes.
STEP, FARTHEST = 1 / 200, 299.0

#: Seconds that a job which a claim let through may take to begin, and that others are
#: behind the one that will be tried, so that they need not be looked at once more.
ARRIVES_WITHIN = 1.0


@dataclass
class Breaker:
    """The breaker of one task in one worker: closed, open, or open with a probe running."""

    task: str
    path: str
    #: Failures in a row that open it.
    limit: int
    #: Whether jobs are tried again, so that a probe need not be some job's last try.
    retries: bool = False
    #: Attempts that failed in a row.
    failures: int = 0
    is_open: bool = False
    opened_at: float = 0.0
    cooldown: float = FIRST_COOLDOWN
    _cool_at: float = 0.0
    #: The attempt that finds out how things are, and since when there is one.
    _probe: str = ""
    _probed_at: float = float("-inf")
    #: The next free slot, and those that a claim was told of last: the first, and from
    #: when on the others are.
    _next_slot: float = 0.0
    _told: tuple[float, float] = (0.0, 0.0)
    #: When those of a claim have come back, and how many they are.
    _away: list[tuple[float, int]] = field(default_factory=list)

    # What comes and goes.

    def begin(self, member: str, now: float) -> None:
        """Note that a job of the task is run: the probe, if it is time for one."""
        if self.is_open and not self._probe and now >= self._cool_at:
            self._probe, self._probed_at = member, now

    def end(self, member: str, verb: str, now: float) -> None:
        """Note how an attempt ended; what only was interrupted says nothing."""
        is_probe = member == self._probe
        if is_probe:
            self._probe = ""
        if verb == "fail":
            self.failures += 1
            if is_probe:
                self._cool(now, min(2 * self.cooldown, LONGEST_COOLDOWN))
            elif not self.is_open and self.failures >= self.limit:
                self.is_open, self.opened_at = True, now
                self._cool(now, FIRST_COOLDOWN)
        elif verb == "finish" and (is_probe or not self.is_open):
            # An older attempt may have met what it needed before that was down.
            self.failures, self.is_open = 0, False
        elif is_probe:
            self._cool(now, self.cooldown)

    def _cool(self, now: float, seconds: float) -> None:
        self.cooldown, self._cool_at = seconds, now + seconds

    # What claims are told, and tell.

    def hold(self, now: float) -> Hold | None:
        """Return what the next claim does with jobs of the task; None: it takes them."""
        if not self.is_open:
            return None
        earliest, lets = self._judge(now)
        first = max(earliest, self._next_slot)
        if first > now + FARTHEST:  # too many for the time: each slot serves twice
            first = earliest
        is_probe = first == self._cool_at
        others = first + (ARRIVES_WITHIN if is_probe else STEP)
        self._told = first, others
        later = self._cool_at + self.cooldown - now
        slots = (first - now, others - now, STEP)
        return Hold(self.task, self.path, *slots, lets, later)

    def _judge(self, now: float) -> tuple[float, str]:
        """Return the earliest slot, and which one job may run: none, retry or any."""
        if now < self._cool_at:
            return self._cool_at, "none"
        if self._probe or now < self._probed_at + ARRIVES_WITHIN:
            probed_for = max(ARRIVES_WITHIN, now - self._probed_at)
            return now + min(probed_for, LONGEST_COOLDOWN), "none"
        # A job at its last try would fail for good: others first, if there are any.
        is_choosy = self.retries and now < self._cool_at + self.cooldown
        return now + ARRIVES_WITHIN, "retry" if is_choosy else "any"

    def note(self, answer: HeldBack, now: float) -> None:
        """Note what the claim did that was told last."""
        if answer.let_one_through:
            self._probed_at = now
        if answer.jobs:
            _first, others = self._told
            self._next_slot = others + STEP * (answer.jobs - 1)
            heapq.heappush(self._away, (self._next_slot, answer.jobs))

    # What others are told.

    def held(self, now: float) -> int:
        """Return how many jobs wait for their slots."""
        while self._away and self._away[0][0] <= now:
            heapq.heappop(self._away)
        return sum(jobs for _until, jobs in self._away)

    def facts(self, now: float, clock: float) -> dict[str, Any]:
        """Return what the worker says of it, in Unix seconds by `clock`."""
        return {
            "since": round(clock - (now - self.opened_at), 3),
            "failures": self.failures,
            "held": self.held(now),
            "every": self.cooldown,
        }


class Breakers:
    """The breakers of a worker, each made when the first job of its task comes."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._known: dict[str, Breaker] = {}
        #: Those that the claim was told of which is being made.
        self._told: list[Breaker] = []

    def begin(self, task: Task, member: str) -> Breaker:
        """Note that a job is run; returns the breaker to tell of its end."""
        breaker = self._known.get(task.name)
        if breaker is None:
            limit, retries = task.breaker or 0, task.retries > 0
            breaker = Breaker(task.name, task.path, limit, retries)
            self._known[task.name] = breaker
        breaker.begin(member, self._now())
        return breaker

    def end(self, breaker: Breaker, member: str, verb: str) -> None:
        """Note how a job ended."""
        was_open = breaker.is_open
        breaker.end(member, verb, self._now())
        if breaker.is_open != was_open:
            _log(breaker)

    def holds(self) -> Sequence[Hold]:
        """Return what the next claim must hold back."""
        if not self._known:
            return ()
        now = self._now()
        told = [(one, hold) for one in self._known.values() if (hold := one.hold(now))]
        self._told = [one for one, _hold in told]
        return [hold for _one, hold in told]

    def note(self, answers: Sequence[HeldBack]) -> None:
        """Note what that claim held back."""
        now = self._now()
        for breaker, answer in zip(self._told, answers, strict=True):
            breaker.note(answer, now)

    def facts(self) -> dict[str, str]:
        """Return the field of the worker's entry that tells of those that are open."""
        now, clock = self._now(), time.time()
        known = self._known.items()
        told = {task: one.facts(now, clock) for task, one in known if one.is_open}
        return {"ty:breakers": json.dumps(told)} if told else {}


def _log(breaker: Breaker) -> None:
    if breaker.is_open:
        text = "task %s failed %s times in a row: its jobs wait, one at a time is tried"
        said = {"action": "breaker_opened"}
        logger.warning(text, breaker.task, breaker.failures, extra=said)
    else:
        said = {"action": "breaker_closed"}
        logger.warning("task %s succeeds again", breaker.task, extra=said)
