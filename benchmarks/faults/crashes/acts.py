"""The acts that are interrupted: what each finds, does, and what must be so after it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.faults import jobs, journal
from benchmarks.faults.crashes import aftermath, schedules
from benchmarks.faults.crashes.aftermath import Worker
from benchmarks.faults.crashes.scenes import (
    START,
    WORKER,
    have_claimed,
    have_damaged,
    have_events,
    have_failed,
    have_forgotten,
    have_lost,
    have_parents,
    have_registered,
    have_run,
    have_several,
    have_silent,
    have_unpushed,
    push,
)
from tasks import actions, recovery, submit, submit_many
from tasks.broker.attempts import Claimed, Settlement
from tasks.conf import NO_LEDGER
from tasks.models import Job
from tasks.policy import CODE
from tasks.recording import Recorder

#: Jobs of one submission of many: several calls of the script, one transaction.
MANY = 120

KEY = "key-1"


def _nothing() -> None:
    """Do nothing."""


def _expect_nothing() -> Iterable[str]:
    return ()


@dataclass(frozen=True)
class Act:
    #: Told what `prepare` returned.
    perform: Callable[[Any], object]
    prepare: Callable[[], Any] = _nothing
    #: What a client does that got no answer.
    again: Callable[[], object] = _nothing
    #: Yields what is wrong in the end, beyond the invariants.
    expect: Callable[[], Iterable[str]] = field(default=_expect_nothing)
    #: Whether Redis forgot things: then the ledger may not know of an attempt.
    forgetful: bool = False


# Submissions.


def submit_one(_given: object) -> None:
    push("one")


def submit_delayed(_given: object) -> None:
    push("one", delay=1)


def submit_several(_given: object) -> None:
    calls = [jobs.brief.s() for _job in range(MANY)]
    journal.accept([one.id for one in submit_many(calls, queue="first")])


def all_or_none() -> Iterator[str]:
    count = Job.objects.count()
    if count not in (0, MANY):
        yield f"{count} of {MANY} jobs that were submitted together are there"


def submit_child(_given: object) -> None:
    push("child", depends_on=["ended", "waiting"])


def submit_by_key(_given: object = None) -> None:
    handle = submit(jobs.brief, idempotency_key=KEY, queue="first")
    journal.accept([handle.id])


def one_job_has_the_key() -> Iterator[str]:
    count = Job.objects.filter(idempotency_key=KEY).count()
    if count != 1:
        yield f"{count} jobs have the key"


def submit_without_ledger(_given: object) -> None:
    """Submit as a worker does that was given only Redis."""
    os.environ[NO_LEDGER] = "1"
    push("one")


# Claims and ends of attempts.


def claim_several(_given: object) -> None:
    with Worker(WORKER) as worker:
        worker.claim()


def settle_by(verb: str, **fields: Any) -> Callable[[Sequence[Claimed]], None]:
    """Return the act that ends attempts in one way."""

    def perform(taken: Sequence[Claimed]) -> None:
        now = time.time()
        ends = [Settlement(job, verb, now, **fields) for job in taken]
        with Worker(WORKER) as worker:
            worker.settle(ends)

    return perform


def settle_mixed(taken: Sequence[Claimed]) -> None:
    verbs = ("finish", "fail", "stop", "handback", "quarantine")
    now = time.time()
    ends = [Settlement(*pair, now) for pair in zip(taken, verbs, strict=True)]
    with Worker(WORKER) as worker:
        worker.settle(ends)


# Recoveries.


def record(_given: object) -> None:
    Recorder().step(wait=0)


# What operators do.


def retry(_given: object) -> None:
    actions.retry(CODE, "one")


def cancel(_given: object) -> None:
    actions.cancel(CODE, "one")


ACTS = {
    "claim": Act(claim_several, have_several),
    "settle: finish": Act(settle_by("finish", result="null"), have_run),
    "settle: fail": Act(settle_by("fail", traceback="x"), have_claimed),
    "settle: retry": Act(settle_by("fail", retry_after=0.2), have_claimed),
    "settle: retry at once": Act(settle_by("fail", retry_after=0.0), have_claimed),
    "settle: stop": Act(settle_by("stop"), have_claimed),
    "settle: hand back": Act(settle_by("handback"), have_claimed),
    "settle: quarantine": Act(settle_by("quarantine", traceback="x"), have_claimed),
    "settle: mixed": Act(settle_mixed, have_run),
    "submit": Act(submit_one),
    "submit with a delay": Act(submit_delayed),
    "submit many": Act(submit_several, expect=all_or_none),
    "submit behind parents": Act(submit_child, have_parents),
    "submit by key": Act(
        submit_by_key, again=submit_by_key, expect=one_job_has_the_key
    ),
    "submit without the ledger": Act(submit_without_ledger),
    "record": Act(record, have_events),
    "retry": Act(retry, have_failed),
    "cancel": Act(cancel, have_several),
    "push what was not pushed": Act(
        lambda _given: recovery.push_unconfirmed(), have_unpushed
    ),
    "refill": Act(aftermath.compare, have_forgotten, forgetful=True),
    "reconcile": Act(aftermath.compare, have_damaged, forgetful=True),
    "report a death": Act(lambda _given: recovery.report_death(START), have_registered),
    "note lost workers": Act(lambda _given: recovery.note_lost_workers(), have_silent),
    "sweep": Act(lambda _given: recovery.requeue_lost_jobs(), have_lost),
    "fire": Act(
        schedules.fire,
        schedules.have_due,
        expect=schedules.each_moment_is_decided_once,
    ),
    "fire late": Act(
        schedules.fire_late,
        schedules.have_due,
        expect=schedules.each_moment_is_decided_once,
    ),
    "backfill": Act(
        schedules.run_backfill,
        schedules.have_backfill,
        expect=schedules.each_moment_is_filled_in_once,
    ),
    "cancel what a backfill left": Act(
        schedules.run_backfill,
        schedules.have_aborted,
        expect=schedules.what_waited_is_canceled,
    ),
}
