"""/workers: who works, who is gone and with what, and telling one what to do."""

from __future__ import annotations

from functools import partial

from ninja import Router

from dashboard.api.auth import ApiRequest
from dashboard.api.openapi import problems
from dashboard.api.payloads import job_url
from dashboard.api.worker_payloads import (
    BreakerOut,
    FateOut,
    LossOut,
    ToldAllOut,
    ToldOut,
    WorkerList,
    WorkerOut,
)
from tasks import worker_actions
from tasks.broker.breakers import OpenBreaker
from tasks.broker.snapshot import read_snapshot
from tasks.broker.workers import WorkerInfo
from tasks.loss_reports import Fate, LostWorker
from tasks.states import State
from tasks.worker_reports import read_roster

router = Router(tags=["workers"])

_tell = partial(router.post, response=ToldOut, openapi_extra=problems(404, 409))
_tell_all = partial(router.post, response=ToldAllOut, openapi_extra=problems())

#: What a worker shows as Redis has it.
_PLAIN = (
    *("name", "host", "pid", "state", "quiet_since", "born_at", "last_heartbeat"),
    *("version", "running", "rss_bytes", "failed"),
)

#: What a loss shows as the ledger has it.
_PLAIN_LOSS = (
    *("host", "pid", "last_seen_at", "noticed_at", "noticed_by", "returned_at"),
    *("slots", "running", "held"),
)


@router.get(
    "/workers", response=WorkerList, openapi_extra=problems(), summary="List workers"
)
def list_workers(request: ApiRequest) -> WorkerList:
    """Return the workers that answer, and those that were lost within 24 hours."""
    request.auth.require("view")
    snapshot = read_snapshot()
    roster = read_roster(snapshot, snapshot.at)
    return WorkerList(
        at=snapshot.at,
        workers=[_shape(row.info) for row in roster.live or ()],
        lost=[_shape_loss(loss) for loss in roster.lost],
    )


@_tell_all("/workers/quiet", summary="Let all workers take no more jobs")
def quiet_all_workers(request: ApiRequest) -> ToldAllOut:
    """Let all workers of Taskyard take no more jobs; those that start later do."""
    return _told_all(worker_actions.quiet_all(request.auth))


@_tell_all("/workers/wake", summary="Let all quiet workers take jobs again")
def wake_all_workers(request: ApiRequest) -> ToldAllOut:
    """Let all quiet workers take jobs again."""
    return _told_all(worker_actions.wake_all(request.auth))


@_tell("/workers/{path:name}/quiet", summary="Let a worker take no more jobs")
def quiet_worker(request: ApiRequest, name: str) -> ToldOut:
    """Let a worker take no more jobs; those that it runs go on."""
    return _told(worker_actions.quiet(request.auth, name))


@_tell("/workers/{path:name}/wake", summary="Let a quiet worker take jobs again")
def wake_worker(request: ApiRequest, name: str) -> ToldOut:
    """Let a worker take jobs again; one that is not quiet goes on as it did."""
    return _told(worker_actions.wake(request.auth, name))


@_tell("/workers/{path:name}/stop", summary="Stop a worker")
def stop_worker(request: ApiRequest, name: str) -> ToldOut:
    """Let a worker end: what runs gets its grace, the rest goes back to its queues."""
    return _told(worker_actions.stop(request.auth, name))


def _told_all(told: worker_actions.ToldAll) -> ToldAllOut:
    return ToldAllOut(told=told.verb, workers=told.workers)


def _told(told: worker_actions.Told) -> ToldOut:
    return ToldOut(worker=told.worker.name, told=told.verb)


def _shape(worker: WorkerInfo) -> WorkerOut:
    return WorkerOut(
        **{name: getattr(worker, name) for name in _PLAIN},
        queues=list(worker.queues),
        breakers=[_shape_breaker(breaker) for breaker in worker.breakers],
        slots=worker.concurrency,
        job=worker.current_job_id,
        finished=worker.successful,
    )


def _shape_breaker(breaker: OpenBreaker) -> BreakerOut:
    return BreakerOut(**{**vars(breaker), "every": breaker.every.total_seconds()})


def _shape_loss(loss: LostWorker) -> LossOut:
    return LossOut(
        **{name: getattr(loss, name) for name in _PLAIN_LOSS},
        name=loss.worker,
        queues=list(loss.queues),
        jobs=[_shape_fate(fate) for fate in loss.fates],
    )


def _shape_fate(fate: Fate) -> FateOut:
    return FateOut(
        id=fate.job_id,
        url=job_url(fate.job_id),
        task=fate.task,
        state=State(fate.state) if fate.state else None,
        worker=fate.worker,
    )
