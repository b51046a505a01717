"""How long a process waits for the services that it needs.

Called before anything has connected. Workers, and commands that people watch, wait as
long as the libraries' limits in `broker/client.py` say, and 20 s for a writer of SQLite's;
jobs may ask the database questions that take hours.
"""

from __future__ import annotations

from tasks.broker.client import waits
from tasks.postgresql.base import BoundedConnection
from tasks.sqlite.base import DatabaseWrapper as SqliteWrapper

#: Seconds for one answer of Redis, and of PostgreSQL, in a process that answers people: a
#: page that shows what it has left must come within two seconds.
PAGE_REDIS, PAGE_DATABASE = 0.8, 5.0

#: Seconds that such a process waits for another writer of SQLite's; a request may have
#: to twice.
PAGE_LOCK = 2.0

#: Seconds for one answer of PostgreSQL in a process that works in rounds.
LOOP_DATABASE = 10.0


def wait_as_a_page() -> None:
    """Wait no longer than somebody at a browser would."""
    waits.answer_timeout = PAGE_REDIS
    BoundedConnection.answer_within = PAGE_DATABASE
    SqliteWrapper.lock_within = PAGE_LOCK


def wait_as_a_loop() -> None:
    """Wait no longer than the next round may be late."""
    BoundedConnection.answer_within = LOOP_DATABASE
