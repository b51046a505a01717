"""What a schedule's row says in words, and where its jobs go."""

from __future__ import annotations

from tasks.calls import describe_call
from tasks.errors import InvalidOption
from tasks.models import Schedule
from tasks.registry import registry
from tasks.schedules.moments import rule_of
from tasks.schedules.words import describe


def word_rule(schedule: Schedule) -> str:
    """Return the rule in words; the expression where it cannot be said, or not read."""
    try:
        return describe(rule_of(schedule))
    except InvalidOption:
        return schedule.expression


def word_call(schedule: Schedule) -> str:
    """Return its arguments, shortened: `(7015, amount=153)`."""
    args, kwargs = schedule.args, schedule.kwargs
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        return "(…)"  # somebody edited the row; what is wrong is told beside it
    return describe_call(args, kwargs)


def queue_of(schedule: Schedule) -> str:
    """Return the schedule's own queue, or its task's; "" where nobody knows the task."""
    if schedule.queue:
        return schedule.queue
    task = registry.find(schedule.task)
    return task.queue if task else ""
