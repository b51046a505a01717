"""Tasks of schedules that this process does not know.

Another process may: each knows what the modules register that TASKYARD_TASKS names where
it was started. So what is unknown here need not be gone from the code.
"""

from __future__ import annotations

import sys
from collections.abc import Collection

from tasks.models import Schedule, TaskRecord
from tasks.registry import registry
from tasks.text import gettext as _


def declaring_task(schedule: Schedule) -> str:
    """Return the name of the task with which the code declares it, "" without one."""
    return str((schedule.declared or {}).get("task", ""))


def is_declared_here(schedule: Schedule) -> bool:
    """Say whether a task of this process may declare it, the next time it starts."""
    is_here = registry.find(declaring_task(schedule)) is not None
    return schedule.declared is not None and schedule.gone_at is None and is_here


def gone_tasks(names: Collection[str]) -> set[str]:
    """Return those of the tasks, unknown to this process, that their modules, which it
    has loaded, register no more.
    """
    noted = TaskRecord.objects.filter(name__in=names).values_list("name", "path")
    paths = dict.fromkeys(names) | dict(noted)
    return {name for name, path in paths.items() if _is_loaded(path or name)}


def _is_loaded(path: str) -> bool:
    return path.rpartition(".")[0] in sys.modules


def word_way_out(task: str) -> str:
    """Return what to do about a task that is unknown here, "" for one that is known."""
    if registry.find(task) is not None:
        return ""
    return _(
        "Name the module that registers it in TASKYARD_TASKS wherever Taskyard is"
        " started, or give the schedule another task."
    )


def word_unknown_to_scheduler() -> str:
    """Return what to do where a scheduler did not know a task."""
    return _(
        "The scheduler did not know it: name its module in TASKYARD_TASKS where the"
        " scheduler is started."
    )
