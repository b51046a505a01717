"""Putting right what was interrupted: dead workers' jobs, and pushes that never came."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from django.db import Error as LedgerError

from tasks.admission import has_room_for_accepted
from tasks.broker import losses, upkeep
from tasks.broker import push as broker_push
from tasks.broker.losses import Loss
from tasks.broker.reconcile import server_time
from tasks.broker.workers import LOST_AFTER, WorkerInfo
from tasks.ledger import envelope_of, parents_of, states_of
from tasks.models import Job, Recovery
from tasks.models.recovery import LEASE, SUPERVISOR

logger = logging.getLogger(__name__)

#: A worker that has not beaten for so long is lost.
SILENCE_LIMIT = LOST_AFTER + timedelta(seconds=5)

#: The same for one of which a lease has ended, which is a second sign.
MISSED_BEATS = timedelta(seconds=10)

#: An accepted job whose push is not confirmed after this long is pushed again.
UNCONFIRMED_AFTER = timedelta(seconds=5)

#: The same for jobs of schedules, whose scheduler may have been killed before the push:
#: another one takes over within five seconds. Older ones are pushed as all others are.
FIRED_UNCONFIRMED_AFTER, FIRED_FOR = timedelta(seconds=1.5), timedelta(seconds=60)

#: Jobs pushed again in one round.
PUSH_AT_ONCE = 500


def requeue_lost_jobs() -> int:
    """Do with what dead workers held as its tasks wish; returns how many jobs.

    Right after a start of Redis nothing is taken back, but from workers that are known to
    be dead: leases ran out while it was away, and live workers need a moment to renew
    them. Raises BrokerUnavailable.
    """
    until = losses.SEVERED if upkeep.server_is_young() else ""
    found = _take_back(upkeep.queue_names(), until)
    if found:
        _note_losers({loss.worker for loss in found})
    return len(found)


def _take_back(queues: Iterable[str], until: str) -> list[Loss]:
    found = [loss for queue in sorted(queues) for loss in losses.sweep(queue, until)]
    for loss in found:
        logger.warning(
            "job %s is %s: its worker %s stopped answering",
            loss.job_id,
            loss.state,
            loss.worker,
            extra={"action": "job_taken_back"},
        )
    return found


def _note_losers(names: Collection[str]) -> None:
    """Write down those workers, of some that lost jobs, that do not beat or are gone."""
    workers, now = losses.read_workers()
    known = {worker.name: worker for worker in workers if worker.name in names}
    for worker in known.values():
        if not _has_beaten(worker, now - MISSED_BEATS):
            _note_loss(worker, now)
    for name in set(names) - known.keys():  # Redis knows nothing else of them
        Recovery.objects.get_or_create(worker=name, defaults={"noticed_at": now})


def note_lost_workers() -> None:
    """Keep a row of each worker that fell silent, and note those that came back.

    Raises BrokerUnavailable.
    """
    workers, now = losses.read_workers()
    rows = Recovery.objects.in_bulk(
        [worker.name for worker in workers], field_name="worker"
    )
    for worker in workers:
        row = rows.get(worker.name)
        if worker.is_ours and not _has_beaten(worker, now - SILENCE_LIMIT):
            if row is None or row.returned_at:
                _note_loss(worker, now)
        elif row and not row.returned_at and _has_beaten(worker, row.noticed_at):
            Recovery.objects.filter(pk=row.pk).update(returned_at=now)


def _has_beaten(worker: WorkerInfo, since: datetime) -> bool:
    return worker.last_heartbeat is not None and worker.last_heartbeat > since


def _note_loss(worker: WorkerInfo, now: datetime, noticed_by: str = LEASE) -> None:
    """Write one row of a worker, or write anew that of one that had come back."""
    facts = {
        "host": worker.host,
        "pid": worker.pid,
        "queues": list(worker.queues),
        "slots": worker.concurrency,
        "running": worker.running,
        "last_seen_at": worker.last_heartbeat,
        "noticed_at": now,
        "noticed_by": noticed_by,
        "returned_at": None,
    }
    row, made = Recovery.objects.get_or_create(worker=worker.name, defaults=facts)
    if made:
        logger.warning("worker %s is lost", worker.name, extra={"action": "lost"})
    elif row.returned_at:
        Recovery.objects.filter(pk=row.pk).update(**facts)


def report_death(start: str) -> int:
    """Take back at once what a worker held whose process has ended; returns how many jobs.

    `start` names that process as it does itself (process.own_start). Only for whoever
    has seen the end: a worker that lives would lose its jobs. Raises BrokerUnavailable.
    """
    workers, now = losses.read_workers()
    dead = [worker for worker in workers if start and worker.start == start]
    for worker in dead:
        try:
            _note_loss(worker, now, SUPERVISOR)
        except LedgerError as error:  # the jobs come first
            logger.warning("the loss of %s is not written down: %s", worker.name, error)
        losses.strike_off(worker)
        losses.sever(worker)
    queues = {queue for worker in dead for queue in worker.queues}
    return len(_take_back(queues, losses.SEVERED))


def push_unconfirmed() -> int:
    """Push accepted jobs that have not reached Redis; returns how many.

    Only jobs whose push would be in the ledger by now: while events wait to be recorded,
    the confirmation may be among them, and the job may even have run. While Redis is
    full they wait. Raises BrokerUnavailable.
    """
    if not has_room_for_accepted():
        return 0
    accepted_before = upkeep.recorded_until() - UNCONFIRMED_AFTER
    jobs = list(
        Job.objects.unpushed(accepted_before).order_by("created_at")[:PUSH_AT_ONCE]
    )
    return _push_late(jobs)


def push_fired(now: datetime) -> int:
    """Push jobs of schedules that did not reach Redis at once; returns how many.

    `now` is by Redis. Their confirmation may only be late; a push is safe to repeat.
    Raises BrokerUnavailable.
    """
    if not has_room_for_accepted():
        return 0
    fired = Job.objects.fired_between(now - FIRED_FOR, now - FIRED_UNCONFIRMED_AFTER)
    return _push_late(list(fired.order_by("created_at")[:PUSH_AT_ONCE]))


def _push_late(jobs: Sequence[Job]) -> int:
    if not jobs:
        return 0
    parents = parents_of([job.id for job in jobs])
    known = states_of(
        sorted({parent for listed in parents.values() for parent in listed})
    )
    # Noted before the push: a crash in between must not make the next one come too soon.
    Job.objects.filter(pk__in=parents).update(pushed_at=server_time())
    broker_push.push([envelope_of(job, parents[job.id]) for job in jobs], known)
    logger.info("%s accepted jobs were pushed late", len(jobs))
    return len(jobs)
