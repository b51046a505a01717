"""/tasks: what can be submitted, with the schema of its arguments."""

from __future__ import annotations

from ninja import Router

from dashboard.api.auth import ApiRequest
from dashboard.api.openapi import problems
from dashboard.api.payloads import TaskList, TaskOut
from tasks.registry import Task, registry

router = Router(tags=["tasks"])


@router.get(
    "/tasks",
    response=TaskList,
    by_alias=True,
    openapi_extra=problems(),
    summary="List tasks",
)
def list_tasks(request: ApiRequest) -> TaskList:
    """Return the registered tasks by name."""
    request.auth.require("view")
    return TaskList(tasks=[_shape(task) for task in registry])


def _shape(task: Task) -> TaskOut:
    return TaskOut(
        name=task.name,
        description=task.description,
        queue=task.queue,
        timeout=task.timeout,
        retries=task.retries,
        tags=list(task.tags),
        is_async=task.is_async,
        schema=task.signature.schema(),
    )
