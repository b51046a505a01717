"""The ledger's list of tasks, for the admin and for search."""

from __future__ import annotations

from django.utils import timezone

from tasks.models import TaskRecord
from tasks.registry import Task, registry


def note_tasks() -> int:
    """Write a row for each task that this process registered; returns how many."""
    rows = [_row(task) for task in registry]
    TaskRecord.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=[
            field.name for field in TaskRecord._meta.fields if not field.primary_key
        ],
    )
    return len(rows)


def _row(task: Task) -> TaskRecord:
    return TaskRecord(
        name=task.name,
        path=task.path,
        queue=task.queue,
        timeout=task.timeout,
        retries=task.retries,
        description=task.description,
        tags=list(task.tags),
        is_async=task.is_async,
        schema=task.signature.schema(),
        seen_at=timezone.now(),
    )
