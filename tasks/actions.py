"""What an operator may do to a job: one function per verb, whichever door it came by.

Each asks for the permission, acts on the broker, and writes one audit row.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from tasks.admission import require_room
from tasks.broker import jobs as broker_jobs
from tasks.broker import push as broker_push
from tasks.errors import JobNotFound, TransitionNotAllowed, WorkerUnreachable
from tasks.ledger import envelope_of, parents_of, states_of
from tasks.models import Audit, Job
from tasks.policy import Actor
from tasks.registry import Call, registry
from tasks.states import CANCELABLE, ENDED, RETRYABLE, SET_ASIDE, STOPPABLE, State
from tasks.submission import submit_call


def legal_verbs(job: Job) -> tuple[str, ...]:
    """Return the verbs that can work in the job's state."""
    state = State(job.state)
    verbs = {
        "stop": state in STOPPABLE,
        "cancel": state in CANCELABLE,
        "retry": state in RETRYABLE and not job.unreadable,
        "mark_failed": state in SET_ASIDE,
        "run_again": state in ENDED and registry.find(job.task) is not None,
    }
    return tuple(verb for verb, legal in verbs.items() if legal)


def cancel(actor: Actor, job_id: str) -> Job:
    """Take a job that has not begun out of where it waits.

    Raises PermissionMissing, JobNotFound, TransitionNotAllowed and BrokerUnavailable.
    """
    actor.require("cancel")
    job = _find(job_id)
    with transaction.atomic():
        _audit(actor, "cancel", job_id)
        done, state = broker_jobs.cancel(job_id, actor.name)
        # Accepted and not pushed yet: then only the ledger knows it.
        if not done and (state or job.state != State.CREATED):
            raise TransitionNotAllowed(job_id, "cancel", state or job.state)
        Job.objects.filter(pk=job_id, state__in=CANCELABLE).update(
            state=State.CANCELED, ended_at=datetime.now(UTC)
        )
    return _find(job_id)


def stop(actor: Actor, job_id: str) -> Job:
    """Ask the worker that runs a job to end it; its state changes when it has.

    Raises PermissionMissing, JobNotFound, TransitionNotAllowed, WorkerUnreachable and
    BrokerUnavailable.
    """
    actor.require("stop")
    job = _find(job_id)
    state = broker_jobs.read_state(job_id) or State(job.state)
    if state not in STOPPABLE:
        raise TransitionNotAllowed(job_id, "stop", state)
    if not broker_jobs.request_stop(job_id):
        raise WorkerUnreachable(job_id)
    _audit(actor, "stop", job_id)
    return job


def retry(actor: Actor, job_id: str) -> Job:
    """Queue an ended job again: a further attempt under the same id.

    Raises PermissionMissing, JobNotFound, TransitionNotAllowed, BrokerUnavailable, and
    BrokerFull for one that Redis has forgotten.
    """
    actor.require("retry")
    job = _find(job_id)
    with transaction.atomic():
        _audit(actor, "retry", job_id)
        done, state = broker_jobs.retry(job_id, actor.name)
        if not done and state:
            raise TransitionNotAllowed(job_id, "retry", state)
        if not done:
            state = _push_again(job)
        Job.objects.filter(pk=job_id, state__in=ENDED).update(
            state=state, ended_at=None, started_at=None
        )
    return _find(job_id)


def _push_again(job: Job) -> State:
    """Push a job that Redis has forgotten from its row."""
    if "retry" not in legal_verbs(job):
        raise TransitionNotAllowed(job.id, "retry", job.state)
    parents = parents_of([job.id])[job.id]
    envelope = envelope_of(job, parents)
    require_room([envelope])
    return broker_push.push([envelope], states_of(parents))[0]


def mark_failed(actor: Actor, job_id: str) -> Job:
    """Decide that a job which was set aside shall not run again: it has failed.

    To Redis and RQ it is failed already. Raises PermissionMissing, JobNotFound and
    TransitionNotAllowed.
    """
    actor.require("mark_failed")
    with transaction.atomic():
        aside = Job.objects.filter(pk=job_id, state__in=SET_ASIDE)
        if not aside.update(state=State.FAILED):
            raise TransitionNotAllowed(job_id, "mark_failed", _find(job_id).state)
        _audit(actor, "mark_failed", job_id)
    return _find(job_id)


def run_again(actor: Actor, job_id: str, args: Mapping[str, Any] | None = None) -> Job:
    """Submit a new job like this one, with the same arguments or with `args`.

    Raises what `tasks.submit` raises, and JobNotFound.
    """
    job = _find(job_id)
    task = registry.get(job.task)
    call = Call(task, job.args, job.kwargs) if args is None else Call(task, (), args)
    with transaction.atomic():
        handle = submit_call(
            call,
            actor=actor,
            queue=job.queue,
            timeout=job.timeout,
            retries=job.retries,
            backoff=job.backoff,
            tags=job.tags,
        )
        _audit(actor, "run_again", job_id, result=handle.id)
    return _find(handle.id)


def _find(job_id: str) -> Job:
    job = Job.objects.filter(pk=job_id).first()
    if job is None:
        raise JobNotFound(job_id)
    return job


def _audit(actor: Actor, verb: str, target: str, result: str = "") -> None:
    Audit.objects.create(
        actor=actor.name, via=actor.via, verb=verb, target=target, result=result
    )
