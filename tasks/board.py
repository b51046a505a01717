"""What Redis holds now, read at most once a second per process whoever looks.

Pages ask for the board, never for the snapshot itself: a thousand viewers cost one read,
a Redis that is out or hangs costs nobody more than a second, and the last figures that
were read stay at hand, with the moment they are from.
"""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from django.utils import timezone

from tasks.broker.snapshot import Snapshot, read_snapshot
from tasks.conf import get_config
from tasks.errors import BrokerSilent, BrokerUnavailable
from tasks.text import gettext as _

#: Seconds for which one reading serves everybody.
FRESH_FOR = 1.0

#: Seconds that a page waits for Redis before it shows the last figures.
PATIENCE = 0.9


@dataclass(frozen=True)
class Outage:
    """Redis does not answer: since when, why, and which one."""

    since: datetime
    #: What was said of it; "" where nothing came in time.
    fault: str
    address: str

    @property
    def reason(self) -> str:
        """Why, in the language of whoever reads it, as all share one board."""
        return self.fault or _("no answer in time")


@dataclass(frozen=True)
class Board:
    """The last snapshot, if ever one was read, and the outage that makes it an old one."""

    snapshot: Snapshot | None
    outage: Outage | None = None


class BoardReader:
    """Keeps the board of this process; safe to ask from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._board = Board(None)
        self._read_at = float("-inf")
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="board")
        self._reading: Future[Snapshot] | None = None

    def read(self) -> Board:
        """Return the board, at most a second old or with the outage that made it old."""
        with self._lock:
            if time.monotonic() - self._read_at > FRESH_FOR:
                self._board = self._refresh()
                self._read_at = time.monotonic()
            return self._board

    def forget(self) -> None:
        """Read anew at the next question, as after an act of one's own."""
        self._read_at = float("-inf")

    def _refresh(self) -> Board:
        # A reading that hangs is left to end by itself, and asked for again later.
        self._reading = self._reading or self._executor.submit(read_snapshot)
        try:
            board = Board(self._reading.result(PATIENCE))
        except FutureTimeout:
            return self._old_board()
        except BrokerSilent:
            board = self._old_board()
        except BrokerUnavailable as error:
            board = self._old_board(error.reason)
        self._reading = None
        return board

    def _old_board(self, reason: str = "") -> Board:
        before = self._board.outage
        since = before.since if before else timezone.now()
        outage = Outage(since, _short_reason(reason), broker_address())
        return Board(self._board.snapshot, outage)


def _short_reason(reason: str) -> str:
    """Leave out of a client's message the address, which the outage has anyway."""
    return re.sub(r"^Error -?\d+ connecting to \S+ ", "", reason).rstrip(".")


def broker_address() -> str:
    """Return where Redis is meant to be, without any password."""
    parts = urlsplit(get_config().broker_url())
    return parts.path if parts.scheme == "unix" else parts.netloc.rpartition("@")[2]


_reader = BoardReader()


def read_board() -> Board:
    """Return this process's board."""
    return _reader.read()


def forget_board() -> None:
    """Make the next look at the board a fresh one."""
    _reader.forget()
