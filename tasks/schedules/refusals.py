"""Rows of due moments, and why no job could come of one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tasks.errors import (
    InvalidArguments,
    InvalidOption,
    PayloadTooLarge,
    TaskNotRegistered,
    TasksError,
)
from tasks.models import Fire, Schedule
from tasks.models.fire import Verdict
from tasks.schedules.days_off import Moment
from tasks.strict_json import clean_json

logger = logging.getLogger(__name__)

#: What is refused: the task is gone, its arguments or options do not fit it, they are too
#: large; or the rule has no moments on this machine. ERROR is all else.
TASK, ARGUMENTS, OPTION, SIZE, RULE = "task", "arguments", "option", "size", "rule"
ERROR = "error"

#: Characters of a message that are kept.
LONGEST_MESSAGE = 1_000


@dataclass(frozen=True)
class Refusal:
    """Why a job cannot be submitted: a word, the sentence, and what is needed for it."""

    reason: str
    message: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def fire(self, schedule: Schedule, moment: Moment, now: datetime) -> Fire:
        message = self.message[:LONGEST_MESSAGE]
        return make_fire(
            schedule,
            moment,
            now,
            Verdict.REFUSED,
            reason=self.reason,
            facts=clean_json({**self.facts, "message": message}),
        )


def refusal_of(error: Exception) -> Refusal:
    """Return what an error says of a call; one that is none of ours is logged."""
    message = str(error)
    if isinstance(error, TaskNotRegistered):
        return Refusal(TASK, message, {"task": error.name})
    if isinstance(error, InvalidArguments):
        facts = {"task": error.task, "problems": error.problems}
        return Refusal(ARGUMENTS, message, facts)
    if isinstance(error, InvalidOption):
        facts = {"option": error.option, "problem": error.problem}
        return Refusal(OPTION, message, facts)
    if isinstance(error, PayloadTooLarge):
        return Refusal(SIZE, message, {"size": error.size, "limit": error.limit})
    if not isinstance(error, TasksError):
        logger.error("a schedule's call cannot be made", exc_info=error)
        message = f"{type(error).__name__}: {error}"
    return Refusal(ERROR, message)


def make_fire(
    schedule: Schedule,
    moment: Moment,
    now: datetime,
    verdict: Verdict,
    **fields: Any,
) -> Fire:
    """Return the row of a moment that is decided now; it is not saved."""
    is_moved = moment.nominal_at != moment.due_at
    return Fire(
        schedule_id=schedule.pk,
        due_at=moment.due_at,
        nominal_at=moment.nominal_at if is_moved else None,
        verdict=verdict,
        decided_at=now,
        **fields,
    )
