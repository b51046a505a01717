"""Putting right what was interrupted: dead workers' jobs, and pushes that never came."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.utils import timezone

from tasks.broker import push as broker_push
from tasks.broker import upkeep
from tasks.ledger import envelope_of, parents_of, states_of
from tasks.models import Job

logger = logging.getLogger(__name__)

#: An accepted job whose push is not confirmed after this long is pushed again.
UNCONFIRMED_AFTER = timedelta(seconds=5)

#: Jobs pushed again in one round.
PUSH_AT_ONCE = 500


def requeue_lost_jobs() -> int:
    """Queue again what dead workers held; returns how many jobs.

    Right after a start of Redis nothing is taken back: leases ran out while it was away,
    and live workers need a moment to renew them. Raises BrokerUnavailable.
    """
    if upkeep.server_is_young():
        return 0
    count = 0
    for queue in upkeep.queue_names():
        ids = upkeep.take_back(queue)
        for job_id in ids:
            logger.warning(
                "job %s is queued again: its worker stopped answering",
                job_id,
                extra={"action": "job_taken_back"},
            )
        count += len(ids)
    return count


def push_unconfirmed() -> int:
    """Push accepted jobs that have not reached Redis; returns how many.

    Only jobs whose push would be in the ledger by now: while events wait to be recorded,
    the confirmation may be among them, and the job may even have run. Raises
    BrokerUnavailable.
    """
    accepted_before = upkeep.recorded_until() - UNCONFIRMED_AFTER
    jobs = list(
        Job.objects.unpushed(accepted_before).order_by("created_at")[:PUSH_AT_ONCE]
    )
    if not jobs:
        return 0
    parents = parents_of([job.id for job in jobs])
    known = states_of(
        sorted({parent for listed in parents.values() for parent in listed})
    )
    # Noted before the push: a crash in between must not make the next one come too soon.
    Job.objects.filter(pk__in=parents).update(pushed_at=timezone.now())
    broker_push.push([envelope_of(job, parents[job.id]) for job in jobs], known)
    logger.info("%s accepted jobs were pushed late", len(jobs))
    return len(jobs)
