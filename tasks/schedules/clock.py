"""The time by which schedules fire: that of Redis, one for all schedulers.

Clocks of hosts may differ by minutes and jump; then schedulers would fire early or late,
and each another moment. What Redis said is carried on by the monotonic clock, so a jump
of the host's clock changes nothing, nor does an outage of Redis. Only a process to which
Redis has never answered goes by its host's clock, until it does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tasks.broker.reconcile import server_time
from tasks.errors import BrokerUnavailable

#: Seconds for which one answer of Redis is carried on; clocks drift by 0.1 ms in it.
ASK_EVERY = 1.0

#: Seconds that an answer may take to replace another, and for which it then goes on: by
#: what its way took, the time is behind.
SLOW, SLOW_FOR = 0.02, 30.0


def host_time() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class _Answer:
    """What Redis said, and the tick at which that arrived."""

    said: datetime
    arrived_at: float


@dataclass
class Clock:
    """Tells the time by Redis, never ahead of it; safe from any thread."""

    ask: Callable[[], datetime] = server_time
    ticks: Callable[[], float] = time.monotonic
    host: Callable[[], datetime] = host_time
    _answer: _Answer | None = None
    _asked_at: float = float("-inf")

    def now(self) -> datetime:
        if self.ticks() - self._asked_at >= ASK_EVERY:
            self._ask()
        answer = self._answer
        if answer is None:
            return self.host()
        return answer.said + timedelta(seconds=self.ticks() - answer.arrived_at)

    def _ask(self) -> None:
        asked_at = self._asked_at = self.ticks()
        try:
            answer = _Answer(self.ask(), self.ticks())
        except BrokerUnavailable:
            self._asked_at = self.ticks()
            return
        is_slow = answer.arrived_at - asked_at >= SLOW
        if is_slow and self._answer and asked_at - self._answer.arrived_at < SLOW_FOR:
            return
        self._answer = answer


#: The clock of this process.
clock = Clock()
