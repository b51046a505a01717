"""Entries of rq-scheduler that come again and again: held where they are, never moved.

The mover notes each that comes due, the comparison of ledger and broker the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.broker import keys
from tasks.broker.client import broker_errors, get_client
from tasks.broker.metas import repeats
from tasks.broker.writes import write

#: Entries that one command reads.
PAGE = 1_000


def count_periodic() -> int:
    """Return how many are held. Raises BrokerUnavailable."""
    with broker_errors():
        count: Any = get_client().zcount(
            keys.PERIODIC, 0, "+inf"
        )  # without the witness
    return int(count)


def find_periodic(job_ids: Sequence[str]) -> dict[str, float]:
    """Return which of some delayed jobs come again and again, and their scores.

    Raises BrokerUnavailable.
    """
    with broker_errors(), get_client().pipeline(transaction=False) as pipeline:
        for job_id in job_ids:
            pipeline.zscore(keys.DELAYED, job_id)
            pipeline.hmget(keys.job(job_id), "meta", "ty:task")
        answers = iter(pipeline.execute(raise_on_error=False))
    return {
        job_id: score
        for job_id, score, facts in zip(job_ids, answers, answers, strict=True)
        if isinstance(score, float) and _is_periodic(facts)
    }


def _is_periodic(facts: object) -> bool:
    """Say it by a job's meta and task; our own jobs never are."""
    if not isinstance(facts, list):  # the error of a key that is no hash
        return False
    meta, task = facts
    return bool(meta and not task and repeats(meta))


def without_periodic(job_ids: Sequence[str]) -> list[str]:
    """Leave out those that come again and again, and note them.

    Raises BrokerUnavailable.
    """
    found = find_periodic(job_ids)
    if found:
        with broker_errors():
            write([("ZADD", keys.PERIODIC, found[one], one) for one in found])
    return [job_id for job_id in job_ids if job_id not in found]


def forget_gone() -> None:
    """Forget those that their clients have removed, or moved. Raises BrokerUnavailable."""
    client: Any = get_client()
    cursor, is_first = 0, True
    while is_first or cursor:
        with broker_errors():
            cursor, entries = client.zscan(keys.PERIODIC, cursor, count=PAGE)
            _forget_gone(client, dict(entries))
        is_first = False


def _forget_gone(client: Any, entries: dict[bytes, float]) -> None:
    if not entries:
        return
    scores = client.zmscore(keys.DELAYED, list(entries))
    pairs = zip(entries.items(), scores, strict=True)
    gone = [member for (member, known), score in pairs if score != known]
    if gone:
        client.zrem(keys.PERIODIC, *gone)
