"""How each state of a job looks: one label, one shape, one tone, for every page.

The shapes differ so that colour is never the only sign. The words that people say for a
state (Waiting, Blocked, Running) are its aliases in filters.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from tasks.states import State


@dataclass(frozen=True)
class Look:
    label: str | Promise
    #: The symbol of templates/dashboard/_icons.html.
    icon: str
    #: The colour class; empty for a state that needs nobody's eye.
    tone: str = ""


LOOKS: dict[State, Look] = {
    State.CREATED: Look(_("Accepted"), "i-plus", "mut"),
    State.SCHEDULED: Look(_("Scheduled"), "i-clock", "mut"),
    State.DEFERRED: Look(_("Blocked"), "i-dash", "warn"),
    State.QUEUED: Look(_("Waiting"), "i-ring", "mut"),
    State.STARTED: Look(_("Running"), "i-dot", "run"),
    State.FINISHED: Look(_("Finished"), "i-check", "ok"),
    State.FAILED: Look(_("Failed"), "i-cross", "bad"),
    State.STOPPED: Look(_("Stopped"), "i-square", "warn"),
    State.CANCELED: Look(_("Canceled"), "i-ban", "mut"),
    State.LOST: Look(_("Lost"), "i-lost", "bad"),
    State.QUARANTINED: Look(_("Quarantined"), "i-shield", "bad"),
}


def look_of(state: str) -> Look:
    return LOOKS[State(state)]


def parse_state(word: str) -> State | None:
    """Return the state that `word` names, by RQ's word or by its English label."""
    lowered = word.strip().lower()
    if lowered in {state.value for state in State}:
        return State(lowered)
    with override("en"):
        labels = {str(look.label).lower(): state for state, look in LOOKS.items()}
    return labels.get(lowered)
