"""Making ledger and broker agree again, by what a comparison found."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from tasks import stored_words
from tasks.admission import has_room_for_accepted
from tasks.broker import push as broker_push
from tasks.broker import reconcile as broker
from tasks.broker.reconcile import Facts, Mend
from tasks.broker.wire import Envelope
from tasks.comparison import Suspect, Verdict
from tasks.ledger import envelope_of, parents_of, retries_made, states_of
from tasks.models import Attempt, Job
from tasks.models.job import REMOVED
from tasks.registry import FAIL, HOLD, REQUEUE, registry
from tasks.states import State

logger = logging.getLogger(__name__)

#: How long a job lives on whose attempt nobody knows any more, by its task's wish.
FATES = {REQUEUE: State.QUEUED, FAIL: State.FAILED, HOLD: State.LOST}

#: What the ledger calls the error of a job that another client removed, and of its child.
GONE, CHILD_OF_GONE = REMOVED

#: The error of what Redis lost while it ran.
LOST_DATA = "RedisLostData"


def mend(verdict: Verdict, suspects: Sequence[Suspect]) -> int:
    """Do what a verdict asks for; returns for how many jobs it was done.

    Raises BrokerUnavailable and DatabaseError; what is left is found again.
    """
    done = _ACTS[verdict](suspects)
    if done:
        logger.warning(
            "ledger and broker disagreed about %s jobs: %s",
            done,
            verdict.name.lower(),
            extra={"action": "reconciled", "verdict": verdict.name},
        )
    return done


# Jobs that Redis has forgotten.


def _restore(suspects: Sequence[Suspect]) -> int:
    if not has_room_for_accepted():
        return 0
    jobs = _jobs(suspects)
    there = [one for one in suspects if one.id in jobs]
    hopeless = [one for one in there if jobs[one.id].unreadable]
    _tell_removed(hopeless, stored_words.HOPELESS)
    readable = [one for one in there if not jobs[one.id].unreadable]
    fates = {one.id: _fate(jobs[one.id]) for one in readable}
    _tell_vanished([one for one in readable if one.state == State.STARTED], fates)
    _push([jobs[one.id] for one in readable if fates[one.id] == State.QUEUED])
    broker.forget_dropped(_ids(suspects))
    return len(suspects)


def _fate(job: Job) -> State:
    if job.state != State.STARTED:
        return State.QUEUED
    task = registry.find(job.task)
    return FATES[task.on_worker_lost if task else REQUEUE]


def _tell_vanished(suspects: Sequence[Suspect], states: Mapping[str, State]) -> None:
    """Tell that attempts ended, and in which states they leave their jobs."""
    attempts = _open_attempts(suspects)
    words: Facts = {
        "error": LOST_DATA,
        "message": stored_words.VANISHED,
    }
    broker.tell_of_gone(
        [_event(one, attempts, "vanished", states[one.id]) | words for one in suspects]
    )


def _push(jobs: Sequence[Job]) -> None:
    """Push jobs as their rows have them; attempts that vanished have had one event more."""
    envelopes = _envelopes(jobs)
    for job in jobs:
        if job.state == State.STARTED:
            envelopes[job.id] = replace(envelopes[job.id], seq=job.seq + 1)
    awaited = {one for envelope in envelopes.values() for one in envelope.depends_on}
    broker_push.push(list(envelopes.values()), states_of(sorted(awaited)))


def _envelopes(jobs: Collection[Job]) -> dict[str, Envelope]:
    """Return jobs as they go on: with the retries that the ledger knows to be left."""
    ids = [job.id for job in jobs]
    parents, made = parents_of(ids), retries_made(ids)
    return {
        job.id: replace(
            envelope_of(job, parents[job.id]), retries_made=made.get(job.id, 0)
        )
        for job in jobs
    }


def _restore_running(suspects: Sequence[Suspect]) -> int:
    jobs = {
        job_id: job for job_id, job in _jobs(suspects).items() if not job.unreadable
    }
    envelopes = _envelopes(jobs.values())
    return sum(
        broker.restore_running(
            envelopes[one.id], one.sight.execution, jobs[one.id].worker
        )
        for one in suspects
        if one.id in jobs
    )


def _remove(suspects: Sequence[Suspect]) -> int:
    _tell_removed(suspects, stored_words.REMOVED)
    broker.forget_dropped(_ids(suspects))
    return len(suspects)


def _tell_removed(suspects: Sequence[Suspect], message: str) -> None:
    attempts = _open_attempts(suspects)
    words: Facts = {"error": GONE, "message": message}
    broker.tell_of_gone(
        [_event(one, attempts, "removed", State.CANCELED) | words for one in suspects]
    )


def _event(
    suspect: Suspect, attempts: Mapping[str, Attempt], kind: str, state: State
) -> Facts:
    """Return an event of a job without a hash, which ends its open attempt."""
    attempt = attempts.get(suspect.id)
    event: Facts = {
        "id": suspect.id,
        "seq": suspect.seq + 1,
        "kind": kind,
        "state": state.value,
        "at": f"{suspect.looked_at.timestamp():.6f}",
        "queue": suspect.queue,
    }
    if attempt:
        event |= {
            "exec": attempt.id,
            "worker": attempt.worker,
            "attempt": attempt.number,
        }
    return event


def _open_attempts(suspects: Sequence[Suspect]) -> dict[str, Attempt]:
    found = Attempt.objects.filter(job_key__in=_ids(suspects), ended_at=None).order_by(
        "number"
    )
    return {attempt.job_key: attempt for attempt in found}


# Jobs that are not where they should be, or of which the ledger has not heard.


def _release(suspects: Sequence[Suspect]) -> int:
    parents = parents_of(_ids(suspects))
    known = _told_of_parents({one for listed in parents.values() for one in listed})
    done = 0
    for one in suspects:
        told = [(parent, known.get(parent, "")) for parent in parents[one.id]]
        removed = [parent for parent, state in told if state == "removed"]
        words = stored_words.PARENT_REMOVED % {"id": removed[0]} if removed else ""
        state = broker.unblock(one.id, CHILD_OF_GONE, words, told)
        done += state not in ("", State.DEFERRED) or not one.sight.place
    return done


def _told_of_parents(ids: set[str]) -> dict[str, str]:
    canceled = Job.objects.in_state(State.CANCELED)
    removed = canceled.filter(pk__in=ids, error__in=REMOVED)
    known = states_of(sorted(ids))
    return known | dict.fromkeys(removed.values_list("id", flat=True), "removed")


def _aside(suspects: Sequence[Suspect]) -> int:
    due = dict(Job.objects.filter(pk__in=_ids(suspects)).values_list("id", "due_at"))
    acts = []
    for one in suspects:
        moment = due.get(one.id) or one.looked_at
        acts.append(_mend("aside", one, broker_push.score_of(moment)))
    return broker.mend(acts)


def _lose(suspects: Sequence[Suspect]) -> int:
    acts = [_mend("lose", one, one.sight.execution or "unknown") for one in suspects]
    return broker.mend(acts)


def _cancel(suspects: Sequence[Suspect]) -> int:
    words: Facts = {"error": GONE, "message": stored_words.REMOVED}
    return broker.mend([_mend("cancel", one, facts=words) for one in suspects])


def _forget(suspects: Sequence[Suspect]) -> int:
    return broker.mend([_mend("forget", one, one.sight.execution) for one in suspects])


#: The kind of the event that tells of a state.
KINDS = {
    State.QUEUED: "released",
    State.SCHEDULED: "released",
    State.DEFERRED: "released",
}


def _tell(suspects: Sequence[Suspect]) -> int:
    """Tell the ledger what it has missed; an attempt that was undone ends before."""
    attempts = _open_attempts([one for one in suspects if one.sight.status in KINDS])
    undone = [one for one in suspects if one.id in attempts]
    _tell_vanished(undone, {one.id: State(one.sight.status) for one in undone})
    return broker.mend(
        [_telling(one, is_second=one.id in attempts) for one in suspects]
    )


def _telling(suspect: Suspect, *, is_second: bool) -> Mend:
    state, facts = State(suspect.sight.status), Facts()
    if state not in KINDS:
        facts = broker.facts_of(suspect.id)
    if state == State.STARTED:
        facts["exec"] = suspect.sight.execution
    kind = KINDS.get(state, state.value)
    made = _mend("tell", suspect, kind, facts)
    return replace(made, seq=made.seq + 1) if is_second else made


def _simple(verb: str) -> Callable[[Sequence[Suspect]], int]:
    return lambda suspects: broker.mend([_mend(verb, one) for one in suspects])


def _mend(
    verb: str, suspect: Suspect, argument: str = "", facts: Facts | None = None
) -> Mend:
    return Mend(verb, suspect.id, suspect.sight, suspect.seq, argument, facts)


_ACTS: dict[Verdict, Callable[[Sequence[Suspect]], int]] = {
    Verdict.RESTORE: _restore,
    Verdict.RESTORE_RUNNING: _restore_running,
    Verdict.REMOVE: _remove,
    Verdict.CANCEL: _cancel,
    Verdict.QUEUE: _simple("queue"),
    Verdict.ASIDE: _aside,
    Verdict.LOSE: _lose,
    Verdict.UNBLOCK: _release,
    Verdict.TELL: _tell,
    Verdict.ADOPT: _simple("adopt"),
    Verdict.FORGET: _forget,
}


def _jobs(suspects: Sequence[Suspect]) -> dict[str, Job]:
    return Job.objects.in_bulk(_ids(suspects))


def _ids(suspects: Sequence[Suspect]) -> list[str]:
    return [one.id for one in suspects]
