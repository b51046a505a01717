"""Taskyard's domain: tasks, jobs and what becomes of them.

The names load on first use, because Django imports this package before its app registry
is ready, and stock RQ workers import it without Django.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.errors import TaskFailed as TaskFailed
    from tasks.registry import task as task
    from tasks.schedules.declared import after as after
    from tasks.schedules.declared import cron as cron
    from tasks.schedules.declared import every as every
    from tasks.schedules.declared import once as once
    from tasks.submission import submit as submit
    from tasks.submission import submit_many as submit_many
    from tasks.worker.context import current_job as current_job

__version__ = "0.1.0"

_HOMES = {
    "TaskFailed": "tasks.errors",
    "after": "tasks.schedules.declared",
    "cron": "tasks.schedules.declared",
    "current_job": "tasks.worker.context",
    "every": "tasks.schedules.declared",
    "once": "tasks.schedules.declared",
    "submit": "tasks.submission",
    "submit_many": "tasks.submission",
    "task": "tasks.registry",
}

__all__ = [
    "TaskFailed",
    "after",
    "cron",
    "current_job",
    "every",
    "once",
    "submit",
    "submit_many",
    "task",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
