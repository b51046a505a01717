"""Renewing leases from a thread, while a worker's loop cannot."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.broker import keys
from tasks.broker.attempts import Claimed
from tasks.broker.client import broker_errors, get_client
from tasks.broker.engine import LEASE_FOR, RENEW_AT_ONCE
from tasks.broker.scripts import invoke


def renew_blocking(jobs: Sequence[Claimed]) -> None:
    """Renew the leases of running jobs. Raises BrokerUnavailable."""
    for queue in {job.queue for job in jobs}:
        members = [job.member for job in jobs if job.queue == queue]
        for start in range(0, len(members), RENEW_AT_ONCE):
            chunk = members[start : start + RENEW_AT_ONCE]
            with broker_errors():
                invoke(get_client(), "renew", (keys.lease(queue),), (LEASE_FOR, *chunk))
