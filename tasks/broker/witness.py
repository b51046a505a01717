"""An entry in rq-scheduler's set by which one that was taken out is told from a lost set.

Clients of rq-scheduler cancel a job by taking its entry out, and leave the job as it was.
Where the whole set was deleted this entry went with it, and all others are put back. It
counts once ledger and Redis were compared with it there. Its score is negative, which
rq-scheduler does not read, and it stands in PERIODIC too, so that the mover passes it by.
"""

from __future__ import annotations

from redis.exceptions import ResponseError

from tasks.broker import keys
from tasks.broker.client import broker_errors, get_client
from tasks.broker.writes import write

#: Its score until all entries were compared, and then (look.lua reads it).
NEW, SURE = -2, -1


def place_witness() -> None:
    """Put it in where there is none. Raises BrokerUnavailable."""
    if _score() is None:
        _write(NEW)


def trust_witness() -> None:
    """Note that each entry was compared since it was placed. Raises BrokerUnavailable."""
    if _score() == NEW:
        _write(SURE)


def _score() -> float | None:
    with broker_errors():
        try:
            score: float | None = get_client().zscore(keys.DELAYED, keys.WITNESS)
        except ResponseError:  # no set: nothing stands in it, nor can
            return 0.0
    return score


def _write(score: int) -> None:
    with broker_errors():
        write(
            [
                ("ZADD", name, score, keys.WITNESS)
                for name in (keys.DELAYED, keys.PERIODIC)
            ]
        )
