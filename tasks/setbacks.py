"""What the death of workers means for a job: a sentence, and the verb that helps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tasks.conf import get_config
from tasks.job_details import AttemptRow
from tasks.models import Audit, Job
from tasks.states import ENDED, State
from tasks.text import gettext as _
from tasks.text import join_sentences, ngettext

#: Deaths count for so long, and after so many a job runs alone.
REMEMBERED_FOR = timedelta(hours=72)
SUSPECT_AFTER = 2

#: How an attempt stands whose worker, or whose process alone, died of it.
DEATHS = (State.LOST, State.QUARANTINED)


@dataclass(frozen=True)
class Setback:
    """What was decided about a job that its workers died of."""

    sentence: str
    #: The attempts that ended so, the last first.
    deaths: Sequence[AttemptRow]
    #: What the operator may do to put it right, "" where nothing needs doing.
    verb: str = ""


def explain_setback(
    job: Job,
    attempts: Iterable[AttemptRow],
    history: Iterable[Audit],
    now: datetime,
) -> Setback | None:
    """Return why a job stands aside, or runs alone; None for all others."""
    attempts, history = list(attempts), list(history)
    deaths = [attempt for attempt in attempts if attempt.state in DEATHS]
    match job.state:
        case State.LOST:
            return Setback(_explain_held(deaths), deaths[:1], "retry")
        case State.QUARANTINED:
            return Setback(_explain_quarantine(deaths), deaths, "retry")
        case State.FAILED if _failed_by_rule(attempts, history):
            return Setback(_explain_failed(deaths), deaths[:1], "retry")
    since = max(now - REMEMBERED_FOR, _last_retry(history, now))
    recent = [one for one in deaths if one.ended_at and one.ended_at > since]
    is_suspect = len(recent) >= SUSPECT_AFTER and get_config().taskyard_quarantine
    if is_suspect and job.state not in ENDED:
        return Setback(_explain_suspect(len(recent)), recent)
    return None


def _failed_by_rule(attempts: Sequence[AttemptRow], history: Sequence[Audit]) -> bool:
    """Say whether the death of its worker ended the job, and nobody's decision."""
    decided = any(entry.verb == "mark_failed" for entry in history)
    return bool(attempts and attempts[0].state == State.LOST and not decided)


def _last_retry(history: Iterable[Audit], now: datetime) -> datetime:
    """Return when somebody answered for the job, after which deaths count anew."""
    retries = (entry.at for entry in history if entry.verb == "retry")
    return max(retries, default=now - REMEMBERED_FOR)


def _explain_held(deaths: Sequence[AttemptRow]) -> str:
    rule = _("Its task is not run again by itself then (on_worker_lost: hold).")
    way = _("See what it did so far, then retry it, or mark it as failed.")
    return join_sentences(_name_loser(deaths), rule, way)


def _explain_failed(deaths: Sequence[AttemptRow]) -> str:
    rule = _("By the rule of its task it has then failed (on_worker_lost: fail).")
    way = _("See what it did so far; a retry runs it from its beginning.")
    return join_sentences(_name_loser(deaths), rule, way)


def _name_loser(deaths: Sequence[AttemptRow]) -> str:
    if not deaths or not deaths[0].worker:
        return _("Its worker was lost while it ran this job.")
    worker = deaths[0].worker
    return _("Worker %(worker)s was lost while it ran this job.") % {"worker": worker}


def _explain_quarantine(deaths: Sequence[AttemptRow]) -> str:
    said = ngettext(
        "Its worker or its process died of it %(count)s time, so no worker gets it any"
        " more.",
        "Its worker or its process died of it %(count)s times, so no worker gets it any"
        " more.",
        len(deaths),
    ) % {"count": len(deaths)}
    way = _(
        "Mend the task or its arguments, then retry it: earlier deaths count no more."
    )
    return join_sentences(said, way)


def _explain_suspect(count: int) -> str:
    said = ngettext(
        "Its worker was lost %(count)s time within 72 hours while it ran this job.",
        "Its workers were lost %(count)s times within 72 hours while they ran this job.",
        count,
    ) % {"count": count}
    rule = _(
        "So it runs alone, in a process of its own; if that dies too, the job goes into"
        " quarantine."
    )
    return join_sentences(said, rule)
