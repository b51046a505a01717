"""Whether there is room for further jobs: new ones are refused before Redis is full.

What Redis holds already must be able to run, which takes a little memory: results,
events, logs. So submissions end well before the limit, and claims and ends never do.
"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.broker.memory import gauge
from tasks.broker.wire import Envelope
from tasks.errors import BrokerFull

#: Shares of maxmemory: new jobs are taken below the first. Those that the ledger has
#: accepted may use a little more: they were promised.
FULL_AT = 0.80
FULL_FOR_ACCEPTED = 0.90

#: Bytes that a job takes in Redis beside its arguments (650 to 1,500 were measured): its
#: hash, its entry, its event.
JOB_BYTES = 1_000


def require_room(envelopes: Sequence[Envelope]) -> None:
    """Raise BrokerFull where new jobs would take Redis past the share that is theirs.

    A Redis that does not answer refuses nothing: the ledger keeps what it accepts.
    """
    memory = gauge.read()
    if memory is None or not memory.max_bytes:
        return
    size = sum(len(one.data) + JOB_BYTES for one in envelopes)
    if memory.used_bytes + size >= FULL_AT * memory.max_bytes:
        raise BrokerFull(memory.used_bytes, memory.max_bytes)
    gauge.add(size)


def has_room_for_accepted() -> bool:
    """Say whether jobs that were accepted earlier may be pushed now."""
    memory = gauge.read()
    return memory is None or memory.is_below(FULL_FOR_ACCEPTED)
