"""Why a job has not started: one sentence, and what would start it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tasks.broker.breakers import Holder
from tasks.broker.snapshot import Snapshot, WorkerInfo
from tasks.job_details import Relative, count_ahead
from tasks.models import Job, Pause
from tasks.pauses import current_pauses
from tasks.states import ENDED, State
from tasks.text import gettext as _
from tasks.text import join_sentences, ngettext

#: Jobs before this one are counted up to here.
AHEAD_CAP = 10_000

#: A scheduler that said nothing for so many seconds is taken as gone.
SCHEDULER_SILENCE = 30

#: Seconds by which what Redis and the ledger say of one moment may differ.
SAME_MOMENT = 0.01


@dataclass(frozen=True)
class Reason:
    """Why a job waits; `is_bad` where it will wait until somebody acts."""

    sentence: str
    is_bad: bool = False
    #: A command that resolves it.
    command: str = ""
    #: The pause that holds it back, whose end resolves it.
    pause: Pause | None = None


def explain_waiting(
    job: Job,
    parents: Sequence[Relative],
    snapshot: Snapshot | None,
    now: datetime,
    holder: Holder | None = None,
) -> Reason | None:
    """Return why `job` has not started; None where it has, or where nobody can say.

    `holder` is the worker whose circuit breaker held it back last.
    """
    match job.state:
        case State.QUEUED:
            return _explain_queued(job, snapshot, now)
        case State.DEFERRED:
            return _explain_deferred(job, parents)
        case State.SCHEDULED:
            return _explain_scheduled(job, snapshot, now, holder)
        case State.CREATED:
            return Reason(_("It is accepted and kept; it goes to Redis next."))
    return None


def _explain_queued(
    job: Job, snapshot: Snapshot | None, now: datetime
) -> Reason | None:
    # In the order in which the claim asks.
    pause = current_pauses(now).get(job.queue)
    if pause is not None:
        said = _("Its queue %(queue)s is paused.") % {"queue": job.queue}
        return Reason(said, pause=pause)
    if snapshot is None:
        return None
    listening = [
        w for w in snapshot.workers if w.is_alive(now) and job.queue in w.queues
    ]
    if not listening:
        return Reason(
            _("No live worker listens on queue %(queue)s.") % {"queue": job.queue},
            is_bad=True,
            command=f"python manage.py worker --queues {job.queue}",
        )
    awake = [worker for worker in listening if not worker.is_quiet]
    if not awake:
        text = _("Every live worker of queue %(queue)s was told to be quiet: wake one.")
        return Reason(text % {"queue": job.queue}, is_bad=True)
    return Reason(join_sentences(_explain_slots(awake), _explain_ahead(job)))


def _explain_slots(workers: Sequence[WorkerInfo]) -> str:
    slots = sum(worker.concurrency for worker in workers)
    running = sum(worker.running for worker in workers)
    if running < slots:
        return _("A worker is free to take it.")
    return ngettext(
        "The one worker slot of its queue is busy.",
        "All %(slots)s worker slots of its queue are busy.",
        slots,
    ) % {"slots": slots}


def _explain_ahead(job: Job) -> str:
    ahead = count_ahead(job, AHEAD_CAP)
    if not ahead:
        return _("It is the next one.")
    if ahead == AHEAD_CAP:
        return _("%(count)s jobs or more are before it.") % {"count": f"{ahead:,}"}
    return ngettext("One job is before it.", "%(count)s jobs are before it.", ahead) % {
        "count": f"{ahead:,}"
    }


def _explain_deferred(job: Job, parents: Sequence[Relative]) -> Reason:
    stuck = [parent for parent in parents if _never_finishes(parent)]
    if stuck and not job.allow_failure:
        return Reason(
            ngettext(
                "It can never start: a job that it depends on did not finish.",
                "It can never start: %(count)s jobs that it depends on did not finish.",
                len(stuck),
            )
            % {"count": len(stuck)},
            is_bad=True,
        )
    open_parents = [p for p in parents if p.state and p.state not in ENDED]
    if not parents:
        return Reason(_("It waits for another job; which one is not known here."))
    if not open_parents:
        # More parents than are shown may be open.
        text = _("The jobs below have ended; it is queued when all it depends on have.")
        return Reason(text)
    return Reason(
        ngettext(
            "It waits for the end of one job that it depends on.",
            "It waits for the end of %(count)s jobs that it depends on.",
            len(open_parents),
        )
        % {"count": len(open_parents)}
    )


def _never_finishes(parent: Relative) -> bool:
    return not parent.state or (
        parent.state in ENDED and parent.state != State.FINISHED.value
    )


def _explain_scheduled(
    job: Job, snapshot: Snapshot | None, now: datetime, holder: Holder | None
) -> Reason:
    if snapshot is not None and not _scheduler_lives(snapshot, now):
        return Reason(
            _("No scheduler is running, so nobody will queue it when it is due."),
            is_bad=True,
            command="python manage.py scheduler",
        )
    if job.due_at is not None and job.due_at <= now:
        return Reason(_("It is due; the scheduler queues it at its next look."))
    if holder is not None and _still_holds(holder, job):
        text = _(
            "It is held back by the circuit breaker of task %(task)s on worker %(worker)s"
            " until %(time)s UTC: the task failed there again and again."
        )
        until = holder.until.astimezone(UTC).strftime("%H:%M:%S")
        words = {"task": job.task, "worker": holder.worker, "time": until}
        return Reason(text % words)
    if job.attempt_count:
        return Reason(_("Its last attempt failed; it is tried again when it is due."))
    return Reason(_("It was submitted for later and is queued when it is due."))


def _still_holds(holder: Holder, job: Job) -> bool:
    """Say whether the job waits for that, and not for a later retry or for another."""
    apart = abs((holder.until - job.due_at).total_seconds()) if job.due_at else 1.0
    return apart < SAME_MOMENT


def _scheduler_lives(snapshot: Snapshot, now: datetime) -> bool:
    return any(
        (now - seen).total_seconds() < SCHEDULER_SILENCE
        for name, seen in snapshot.liveness.items()
        if name.startswith("scheduler:")
    )
