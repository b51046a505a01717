"""/queues: what waits and runs now."""

from __future__ import annotations

from ninja import Router

from dashboard.api.auth import ApiRequest
from dashboard.api.openapi import problems
from dashboard.api.payloads import OldestOut, QueueList, QueueOut
from tasks.broker.snapshot import QueueDepth, Snapshot, read_snapshot

router = Router(tags=["queues"])


@router.get(
    "/queues", response=QueueList, openapi_extra=problems(), summary="List queues"
)
def list_queues(request: ApiRequest) -> QueueList:
    """Return every queue with its depths and its live workers."""
    request.auth.require("view")
    snapshot = read_snapshot()
    queues = [_shape(queue, snapshot) for queue in snapshot.queues]
    return QueueList(at=snapshot.at, queues=queues)


def _shape(queue: QueueDepth, snapshot: Snapshot) -> QueueOut:
    return QueueOut(
        name=queue.name,
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


def _oldest(queue: QueueDepth) -> OldestOut | None:
    if queue.oldest_id is None:
        return None
    return OldestOut(id=queue.oldest_id, enqueued_at=queue.oldest_enqueued_at)
