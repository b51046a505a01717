"""/queues: what waits and runs now, what is held back, and holding it back."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils.translation import gettext as _
from ninja import Router
from ninja.decorators import decorate_view
from ninja.responses import Status

from dashboard.api.auth import ApiRequest
from dashboard.api.bodies import optional_json_body
from dashboard.api.openapi import BODY, problems
from dashboard.api.payloads import (
    OldestOut,
    PauseDecision,
    PauseIn,
    PauseOut,
    QueueList,
    QueueOut,
)
from tasks import pauses
from tasks.broker.snapshot import QueueDepth, Snapshot, read_snapshot
from tasks.errors import InvalidOption
from tasks.models import Pause

router = Router(tags=["queues"])

DECISION = {200: PauseDecision, 202: PauseDecision}


@router.get(
    "/queues", response=QueueList, openapi_extra=problems(), summary="List queues"
)
def list_queues(request: ApiRequest) -> QueueList:
    """Return every queue with its depths, its live workers and its pause."""
    request.auth.require("view")
    snapshot, held = read_snapshot(), pauses.current_pauses()
    known = {queue.name for queue in snapshot.queues}
    # A queue can be paused before its first job.
    empty = (QueueDepth(name, 0, 0, 0, 0, None, None) for name in held.keys() - known)
    queues = sorted([*snapshot.queues, *empty], key=lambda queue: queue.name)
    shaped = [_shape(queue, held.get(queue.name), snapshot) for queue in queues]
    return QueueList(at=snapshot.at, queues=shaped)


@router.post(
    "/queues/{path:name}/pause",
    response=DECISION,
    openapi_extra=problems(404, *BODY),
    summary="Pause a queue",
)
@decorate_view(optional_json_body)
def pause_queue(
    request: ApiRequest, name: str, payload: PauseIn | None = None
) -> Status[PauseDecision]:
    """Let no job of a queue start, those that run go on: 200, or 202 while Redis is away.

    A queue that is paused gets the new reason and end.
    """
    payload = payload or PauseIn()
    until = _end(payload)
    reason = payload.reason
    return _told(pauses.pause_queue(request.auth, name, reason=reason, until=until))


@router.post(
    "/queues/{path:name}/resume",
    response=DECISION,
    openapi_extra=problems(404),
    summary="Resume a queue",
)
def resume_queue(request: ApiRequest, name: str) -> Status[PauseDecision]:
    """Let jobs of a queue start again: 200, or 202 while Redis is away.

    A queue that is not paused stays so.
    """
    return _told(pauses.resume_queue(request.auth, name))


def _end(payload: PauseIn) -> datetime | timedelta | None:
    if payload.seconds is None:
        return payload.until
    if payload.until is not None:
        raise InvalidOption("seconds", _("give either seconds or until, not both"))
    return timedelta(seconds=payload.seconds)


def _told(decision: pauses.Decision) -> Status[PauseDecision]:
    pause = decision.pause
    standing = _shape_pause(pause) if pause and not pause.resumed_at else None
    made = PauseDecision(queue=decision.queue, paused=standing, told=decision.is_told)
    return Status(200 if decision.is_told else 202, made)


def _shape(queue: QueueDepth, pause: Pause | None, snapshot: Snapshot) -> QueueOut:
    return QueueOut(
        name=queue.name,
        paused=_shape_pause(pause) if pause else None,
        waiting=queue.waiting,
        running=queue.running,
        scheduled=queue.scheduled,
        deferred=queue.deferred,
        workers=sum(
            queue.name in worker.queues and worker.is_alive(snapshot.at)
            for worker in snapshot.workers
        ),
        oldest=_oldest(queue),
    )


def _shape_pause(pause: Pause) -> PauseOut:
    return PauseOut(
        reason=pause.reason, by=pause.actor, since=pause.created_at, until=pause.until
    )


def _oldest(queue: QueueDepth) -> OldestOut | None:
    if queue.oldest_id is None:
        return None
    return OldestOut(id=queue.oldest_id, enqueued_at=queue.oldest_enqueued_at)
