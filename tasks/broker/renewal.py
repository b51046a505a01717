"""What a thread writes for a worker whose loop cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.broker import keys
from tasks.broker.attempts import Claimed
from tasks.broker.client import broker_errors, get_client
from tasks.broker.engine import LEASE_FOR, RENEW_AT_ONCE, WORKER_TTL
from tasks.broker.scripts import invoke


def renew_blocking(jobs: Sequence[Claimed]) -> None:
    """Renew the leases of running jobs. Raises BrokerUnavailable."""
    for queue in {job.queue for job in jobs}:
        members = [job.member for job in jobs if job.queue == queue]
        for start in range(0, len(members), RENEW_AT_ONCE):
            chunk = members[start : start + RENEW_AT_ONCE]
            with broker_errors():
                zsets = (keys.lease(queue), keys.wip(queue))
                invoke(get_client(), "renew", zsets, (LEASE_FOR, *chunk))


def report_block(worker: str, facts: dict[Any, Any]) -> None:
    """Write into a worker's entry what its loop does not. Raises BrokerUnavailable."""
    key = keys.worker(worker)
    with broker_errors(), get_client().pipeline(transaction=True) as pipeline:
        pipeline.hset(key, mapping=facts)
        pipeline.expire(key, WORKER_TTL)
        pipeline.publish(keys.LIVE, '{"kind": "worker"}')
        pipeline.execute()
