"""The states of a job, and which may follow which.

The words are RQ's own; LOST and QUARANTINED are ours, and RQ stores both as failed.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    CREATED = "created"
    SCHEDULED = "scheduled"
    DEFERRED = "deferred"
    QUEUED = "queued"
    STARTED = "started"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"
    CANCELED = "canceled"
    LOST = "lost"
    QUARANTINED = "quarantined"


#: A job in one of these moves no further by itself.
ENDED = frozenset(
    {
        State.FINISHED,
        State.FAILED,
        State.STOPPED,
        State.CANCELED,
        State.LOST,
        State.QUARANTINED,
    }
)

#: A job in one of these has been accepted and has not begun.
WAITING = frozenset({State.CREATED, State.SCHEDULED, State.DEFERRED, State.QUEUED})

_NEW_ATTEMPT = frozenset({State.QUEUED, State.SCHEDULED, State.DEFERRED})

TRANSITIONS: dict[State, frozenset[State]] = {
    State.CREATED: frozenset(
        {State.QUEUED, State.SCHEDULED, State.DEFERRED, State.CANCELED}
    ),
    State.SCHEDULED: frozenset(
        {State.QUEUED, State.DEFERRED, State.STARTED, State.CANCELED}
    ),
    State.DEFERRED: frozenset({State.QUEUED, State.SCHEDULED, State.CANCELED}),
    State.QUEUED: frozenset(
        {State.STARTED, State.SCHEDULED, State.FAILED, State.CANCELED}
    ),
    State.STARTED: ENDED | {State.QUEUED, State.SCHEDULED},
    State.FINISHED: _NEW_ATTEMPT,
    State.FAILED: _NEW_ATTEMPT,
    State.STOPPED: _NEW_ATTEMPT,
    State.CANCELED: _NEW_ATTEMPT,
    State.LOST: _NEW_ATTEMPT | {State.FAILED},
    State.QUARANTINED: _NEW_ATTEMPT | {State.FAILED},
}

#: What an operator may do to a job, by its state.
CANCELABLE = WAITING
STOPPABLE = frozenset({State.STARTED})
RETRYABLE = ENDED - {State.FINISHED}

#: Ended by the death of workers, and waiting for a person to decide.
SET_ASIDE = frozenset({State.LOST, State.QUARANTINED})


def can_follow(old: State, new: State) -> bool:
    """Say whether a job in `old` may move to `new`."""
    return new in TRANSITIONS[old]
