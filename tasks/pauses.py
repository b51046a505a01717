"""Holding queues back: the one door to pause and resume them.

The rows are the truth. Redis has a copy, because claims read it there; whatever is lost
of the copy or could not be written is put right by `reconcile`.
"""

from __future__ import annotations

import difflib
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from tasks.broker import pauses as broker_pauses
from tasks.broker import upkeep
from tasks.errors import BrokerUnavailable, InvalidOption, QueueNotFound
from tasks.job_reports import list_names
from tasks.models import Audit, Job, Pause
from tasks.models.pause import QUEUE
from tasks.policy import Actor
from tasks.registry import registry
from tasks.text import gettext as _
from tasks.text import join_sentences

logger = logging.getLogger(__name__)

LONGEST_NAME = 200
LONGEST_REASON = 500
LONGEST_PAUSE = timedelta(days=3650)


@dataclass(frozen=True)
class Decision:
    """What was decided about a queue, and whether workers have heard of it."""

    queue: str
    #: The pause that began, changed or ended; None where there was none to end.
    pause: Pause | None
    is_told: bool

    @property
    def sentence(self) -> str:
        queue = {"queue": self.queue}
        if self.pause is None:
            return _("Queue %(queue)s was not paused.") % queue
        said = (
            _("Queue %(queue)s goes on.")
            if self.pause.resumed_at
            else _("Queue %(queue)s is paused; jobs that run go on.")
        ) % queue
        if self.is_told:
            return said
        untold = _("Redis does not answer now; workers hear of it when it does.")
        return join_sentences(said, untold)


def current_pauses(now: datetime | None = None) -> dict[str, Pause]:
    """Return the pauses of queues that are in force, by queue."""
    pauses = Pause.objects.in_force(now or timezone.now()).filter(scope=QUEUE)
    return {pause.target: pause for pause in pauses}


def pause_queue(
    actor: Actor,
    name: str,
    *,
    reason: str = "",
    until: datetime | timedelta | None = None,
) -> Decision:
    """Let no job of a queue start; a queue that is paused gets the new reason and end.

    `until` is a moment, or how long from now. Jobs that run go on. Raises
    PermissionMissing, QueueNotFound, InvalidOption, and BrokerUnavailable where only
    Redis could say whether there is such a queue.
    """
    actor.require("pause")
    now = timezone.now()
    facts = {
        "reason": _checked_reason(reason),
        "until": _checked_end(until, now),
        "actor": actor.name,
    }
    _require_queue(name)
    told: list[bool] = []
    with transaction.atomic():
        Pause.objects.of_queue(name).close_ended(now)
        pause, _made = Pause.objects.update_or_create(
            scope=QUEUE, target=name, resumed_at=None, defaults=facts
        )
        _audit(actor, "queue.pause", pause)
        transaction.on_commit(lambda: told.append(_tell_workers()))
    return Decision(name, pause, is_told=any(told))


def resume_queue(actor: Actor, name: str) -> Decision:
    """End the pause of a queue, if it is paused.

    Raises PermissionMissing, QueueNotFound, and BrokerUnavailable where only Redis could
    say whether there is such a queue.
    """
    actor.require("resume")
    now = timezone.now()
    told: list[bool] = []
    with transaction.atomic():
        standing = Pause.objects.in_force(now).of_queue(name)
        pause = None if "\0" in name else standing.select_for_update().first()
        if pause is not None:
            pause.resumed_at, pause.resumed_by = now, actor.name
            pause.save(update_fields=["resumed_at", "resumed_by"])
            _audit(actor, "queue.resume", pause)
            transaction.on_commit(lambda: told.append(_tell_workers()))
    if pause is None:
        _require_queue(name)
    return Decision(name, pause, is_told=pause is None or any(told))


def _audit(actor: Actor, verb: str, pause: Pause) -> None:
    until = pause.until.isoformat() if pause.until else ""
    Audit.objects.create(
        actor=actor.name,
        via=actor.via,
        verb=verb,
        target=pause.target,
        reason=pause.reason,
        result=f"until {until}" if until and verb == "queue.pause" else "",
    )


# What may be paused, and how.


def _checked_reason(reason: str) -> str:
    reason = reason.strip()
    if len(reason) > LONGEST_REASON or "\0" in reason:
        raise InvalidOption("reason", _("must be at most 500 characters"))
    return reason


def _checked_end(until: datetime | timedelta | None, now: datetime) -> datetime | None:
    if until is None:
        return None
    if isinstance(until, timedelta):
        until = now + min(until, 2 * LONGEST_PAUSE)  # more is no date
    if until.tzinfo is None:
        raise InvalidOption("until", _("must be a moment with its zone, like +00:00"))
    if not now < until <= now + LONGEST_PAUSE:
        raise InvalidOption("until", _("must lie within the next ten years"))
    return until


def _require_queue(name: str) -> None:
    """Refuse a name that nobody knows: a pause of it would hold nothing back."""
    if "\0" in name or not 0 < len(name) <= LONGEST_NAME:
        raise QueueNotFound(name)
    named = {*settings.RQ_QUEUES, *(task.queue for task in registry)}
    if name in named or Job.objects.filter(queue=name).exists():
        return
    if broker_pauses.knows_queue(name):
        return
    known = sorted({*named, *list_names("queue"), *upkeep.queue_names()})
    nearest = difflib.get_close_matches(name, known, n=1)
    raise QueueNotFound(name, nearest[0] if nearest else None)


# The copy that claims read.


def _tell_workers() -> bool:
    """Bring Redis up to date; say whether it answered."""
    try:
        reconcile()
    except BrokerUnavailable as error:
        logger.warning(
            "workers hear of a pause or resume when Redis answers: %s",
            error,
            extra={"action": "pause_untold"},
        )
        return False
    return True


def reconcile() -> None:
    """Make what claims read agree with the rows. Raises BrokerUnavailable."""
    # Redis first: what is committed before its field is written is then never undone.
    copy, now = broker_pauses.read_pauses(), timezone.now()
    standing = list(Pause.objects.standing())
    wanted = dict(_field(pause) for pause in standing if pause.is_in_force(now))
    # Most of the time there is nothing to close, and no need for the database's lock.
    if len(wanted) < len(standing):
        Pause.objects.close_ended(now)
    changed = {field: end for field, end in wanted.items() if copy.get(field) != end}
    gone = copy.keys() - wanted.keys()
    if changed or gone:
        broker_pauses.write_pauses(changed, gone)


def _field(pause: Pause) -> tuple[str, str]:
    end = f"{pause.until.timestamp():.3f}" if pause.until else ""
    return f"{pause.scope}:{pause.target}", end
