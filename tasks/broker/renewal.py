"""What a thread writes for a worker whose loop cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.broker import keys
from tasks.broker.attempts import Claimed
from tasks.broker.client import broker_errors, get_client
from tasks.broker.engine import LEASE_FOR, RENEW_AT_ONCE
from tasks.broker.entries import registration
from tasks.broker.scripts import invoke


def renew_blocking(jobs: Sequence[Claimed]) -> None:
    """Renew the leases of running jobs. Raises BrokerUnavailable."""
    for queue in {job.queue for job in jobs}:
        members = [job.member for job in jobs if job.queue == queue]
        for start in range(0, len(members), RENEW_AT_ONCE):
            chunk = members[start : start + RENEW_AT_ONCE]
            with broker_errors(must_try=True):
                zsets = (keys.lease(queue), keys.wip(queue))
                invoke(get_client(), "renew", zsets, (LEASE_FOR, *chunk))


def report_block(worker: str, facts: dict[Any, Any]) -> None:
    """Write into a worker's entry what its loop does not. Raises BrokerUnavailable."""
    with broker_errors():
        invoke(get_client(), "register", (keys.worker(worker),), registration(facts))
        get_client().publish(keys.LIVE, '{"kind": "worker"}')
