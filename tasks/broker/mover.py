"""The loop that moves due jobs into their queues, to the millisecond."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import redis
from redis.client import PubSub

from tasks.broker import keys, stock_locks
from tasks.broker.client import REDIS_ERRORS, broker_errors, get_client
from tasks.broker.moves import Moves
from tasks.errors import BrokerUnavailable

logger = logging.getLogger(__name__)

#: Seconds between looks for what stock clients wrote, who ring no bell.
LOOK_EVERY = 0.05

#: Seconds that a wait on a socket may be too long; shorter ones are slept.
COARSE = 0.002

#: Seconds before the next try when Redis is away.
PAUSE = 0.5

#: Rings that are taken as one at most.
MOST_RINGS = 100


class Bell:
    """Waits, and wakes early when a job was written that is due sooner than all others."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._pubsub: PubSub | None = None

    def wait(self, seconds: float) -> bool:
        """Wait for so long, or until the bell rings; says whether it did."""
        until = time.monotonic() + seconds
        try:
            if self._rings_before(until - COARSE):
                return True
        except REDIS_ERRORS:
            self.close()
        time.sleep(max(0.0, until - time.monotonic()))
        return False

    def _rings_before(self, until: float) -> bool:
        while (left := until - time.monotonic()) > 0:
            pubsub = self._subscribed()
            if pubsub.get_message(timeout=left):
                for _ring in range(MOST_RINGS):
                    if not pubsub.get_message(timeout=0.0):
                        break
                return True
        return False

    def _subscribed(self) -> PubSub:
        if self._pubsub is None:
            client: Any = self._client
            self._pubsub = client.pubsub(ignore_subscribe_messages=True)
            self._pubsub.subscribe(keys.SOON)
        return self._pubsub

    def close(self) -> None:
        if self._pubsub is not None:
            with suppress(*REDIS_ERRORS):
                self._pubsub.close()
            self._pubsub = None


@dataclass
class Mover:
    """Moves due jobs until told to stop; any number may run.

    It has RQ's locks meanwhile, so that stock schedulers stand back.
    """

    client: Callable[[], redis.Redis] = get_client
    _moves: Moves = field(default_factory=Moves)
    _locks_due: float = 0.0
    #: When to look into RQ's sets too: there is one for each queue.
    _look_at: float = 0.0
    _is_down: bool = False

    def run(self, is_over: Callable[[], bool]) -> None:
        """Work until `is_over`; outages are logged once and waited out."""
        bell, is_rung = Bell(self.client()), False
        while not is_over():
            began = time.monotonic()
            pause = self._try(is_rung=is_rung)
            is_rung = bell.wait(began + pause - time.monotonic())
        bell.close()
        with suppress(BrokerUnavailable):
            self.let_go()

    def _try(self, *, is_rung: bool) -> float:
        try:
            pause = self.step(is_rung=is_rung)
        except BrokerUnavailable as error:
            if not self._is_down:
                logger.warning("delayed jobs wait: %s", error)
            self._is_down = True
            return PAUSE
        self._is_down = False
        return pause

    def step(self, *, is_rung: bool = False) -> float:
        """Move what is due; returns the seconds from its start until there may be more.

        Raises BrokerUnavailable.
        """
        began = time.monotonic()
        everywhere = is_rung or began >= self._look_at
        with broker_errors():
            self._hold_locks(began)
            moved = self._moves.make(self.client(), everywhere=everywhere)
        left = self._look_at - began
        if everywhere:
            left = _or_a_look(moved.stock_wait)
            self._look_at = began + left
        return min(left, _or_a_look(moved.wait))

    def _hold_locks(self, now: float) -> None:
        if now >= self._locks_due:
            stock_locks.hold(self.client())
            self._locks_due = now + stock_locks.HOLD_EVERY

    def let_go(self) -> None:
        """Give RQ's locks back. Raises BrokerUnavailable."""
        with broker_errors():
            stock_locks.release(self.client())


def _or_a_look(wait: float | None) -> float:
    return LOOK_EVERY if wait is None else min(LOOK_EVERY, wait)
