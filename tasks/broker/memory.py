"""How full Redis is, asked at most once a second by each process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tasks.broker.client import broker_errors, get_client
from tasks.errors import BrokerUnavailable

#: Seconds for which one reading serves.
FRESH_FOR = 1.0


@dataclass(frozen=True)
class Memory:
    """What Redis holds, and what it may hold (0: no limit)."""

    used_bytes: int
    max_bytes: int

    def is_below(self, share: float) -> bool:
        """Say whether there is no limit, or less than that share of it is used."""
        return not self.max_bytes or self.used_bytes < share * self.max_bytes


def read_memory() -> Memory:
    """Ask Redis, as it counts when it refuses. Raises BrokerUnavailable."""
    with broker_errors():
        info: Any = get_client().info("memory")
    # Buffers of replicas and of the append-only file do not count.
    used = info.get("used_memory", 0) - info.get("mem_not_counted_for_evict", 0)
    return Memory(int(used), int(info.get("maxmemory", 0)))


@dataclass
class Gauge:
    """Remembers the last reading, and what was sent since; safe from any thread."""

    ask: Callable[[], Memory] = read_memory
    clock: Callable[[], float] = time.monotonic
    _last: Memory | None = None
    _read_at: float = float("-inf")
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self) -> Memory | None:
        """Return what is used about now; None where Redis does not say."""
        # Whoever comes while another asks takes what was known before.
        if self._lock.acquire(blocking=False):
            try:
                self._refresh()
            finally:
                self._lock.release()
        return self._last

    def add(self, size: int) -> None:
        """Count what is on its way to Redis, which the last reading did not see."""
        if self._last is not None:
            used = self._last.used_bytes + size
            self._last = replace(self._last, used_bytes=used)

    def forget(self) -> None:
        """Ask anew at the next question."""
        self._read_at = float("-inf")

    def _refresh(self) -> None:
        if self.clock() - self._read_at < FRESH_FOR:
            return
        self._read_at = self.clock()
        try:
            self._last = self.ask()
        except BrokerUnavailable:
            self._last = None


gauge = Gauge()
