"""What tasks may say of their schedules: what they can be called with, and under names
that no other task uses.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import PydanticUserError

from tasks.errors import ConfigurationError, InvalidArguments
from tasks.schedules.declared import Declared, refusal_of
from tasks.text import gettext as _

if TYPE_CHECKING:
    from tasks.registry import Task

#: A schedule as code may say it: a cron expression, an interval, or all that there is.
When = str | float | timedelta | Declared


def check_distinct(named: Iterable[tuple[str, str]]) -> None:
    """Raise ConfigurationError where two of the (task, schedule) share a schedule."""
    owners: dict[str, str] = {}
    for task, name in named:
        owner = owners.setdefault(name, task)
        if owner != task:
            text = _("Tasks %(first)s and %(second)s both declare a schedule %(name)s.")
            raise ConfigurationError(
                text % {"first": owner, "second": task, "name": name}
            )


def checked_calls(task: Task) -> Task:
    """Return the task. Raises ConfigurationError where its schedules' arguments do not
    fit it.

    Annotations that cannot be read yet (they may name what the module defines later)
    are left to the check of the registry, and arguments to that of the schedule's row.
    """
    for one in task.schedules:
        try:
            task.signature.bind(one.args, one.kwargs)
        except InvalidArguments as error:
            raise refusal_of(task.name, one, str(error)) from error
        except (NameError, TypeError, PydanticUserError):
            break
    return task
