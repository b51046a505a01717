"""The state machine: each rule acts on the real engine and on the model alike."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from benchmarks.faults.machine import books
from benchmarks.faults.machine.clock import Clock
from benchmarks.faults.machine.model import Model, ModelJob
from tasks import actions, pauses
from tasks.broker.attempts import Claimed, Settlement
from tasks.broker.client import get_client
from tasks.broker.engine import Engine
from tasks.broker.losses import sweep
from tasks.broker.moves import move_due
from tasks.broker.push import push
from tasks.broker.wire import Envelope
from tasks.errors import TransitionNotAllowed, WorkerUnreachable
from tasks.ledger import accept
from tasks.policy import CODE
from tasks.recorder import record

T = TypeVar("T")

QUEUE, WORKERS = books.QUEUE, ("w1", "w2")

#: Jobs of one example: more would meet each other less often.
MOST_JOBS = 8

#: Seconds that pass at a time: within a lease, past it, past all that deaths count for.
PASSING = (1, 4, 9, 16, 80 * 3600)

_any = st.integers(0, 999)

VERBS = st.sampled_from(
    ("finish", "finish", "fail", "fail", "stop", "handback", "quarantine")
)
RETRY_AFTER = st.sampled_from((None, 0.0, 5.0))

SUBMISSION: dict[str, st.SearchStrategy[Any]] = {
    "delay": st.sampled_from((None, None, 3, 30)),
    "retries": st.integers(0, 2),
    "parents": st.just([]) | st.lists(_any, max_size=2),
    "allow_failure": st.booleans(),
    "on_lost": st.sampled_from(("requeue", "requeue", "fail", "hold")),
    "at_front": st.booleans(),
}


class Machine(RuleBasedStateMachine):
    """Acts of submitters, workers, schedulers, recorders and operators."""

    clock: ClassVar[Clock]
    runner: ClassVar[asyncio.Runner]
    engines: ClassVar[dict[str, Engine]]
    #: Steps of all examples.
    steps: ClassVar[int] = 0
    #: How often each change of a job was seen, in all examples.
    changes: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        type(self).steps -= 1  # the invariant is asked before the first one, too
        get_client().flushdb()
        books.empty_ledger()
        self.clock.start()
        self.model = Model()
        self.model.now = self.clock.now
        self.books = books.Books()
        #: All attempts that were ever claimed, by whom.
        self.claimed: list[tuple[Claimed, str]] = []

    def do(self, act: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(act)

    def job(self, number: int) -> ModelJob:
        jobs = list(self.model.jobs.values())
        return jobs[number % len(jobs)]

    def held(self) -> list[tuple[Claimed, str]]:
        """Return the attempts that run, and whose they are."""
        holders = [job.holder for job in self.model.jobs.values() if job.holder]
        executions = {holder.execution for holder in holders}
        return [pair for pair in self.claimed if pair[0].execution in executions]

    has_attempts = precondition(lambda self: self.claimed)

    # Submitters.

    @initialize(
        jobs=st.lists(st.fixed_dictionaries(SUBMISSION), min_size=2, max_size=4)
    )
    def begin(self, jobs: list[dict[str, Any]]) -> None:
        for options in jobs:
            self._submit(**options)

    @precondition(lambda self: len(self.model.jobs) < MOST_JOBS)
    @rule(**SUBMISSION)
    def submit(self, **options: Any) -> None:
        self._submit(**options)

    def _submit(
        self,
        delay: float | None,
        retries: int,
        parents: list[int],
        on_lost: str,
        *,
        allow_failure: bool,
        at_front: bool,
    ) -> None:
        known = list(self.model.jobs)
        chosen = dict.fromkeys(known[n % len(known)] for n in parents if known)
        due = None if delay is None else self.clock.now + delay
        job = ModelJob(
            f"job-{len(known)}", retries, tuple(chosen), allow_failure, on_lost, due
        )
        envelope = Envelope(
            id=job.id,
            task=books.TASK,
            path=books.TASK,
            queue=QUEUE,
            retries=retries,
            at_front=at_front,
            allow_failure=allow_failure,
            depends_on=job.parents,
            due_at=None if due is None else datetime.fromtimestamp(due, UTC),
            on_worker_lost=on_lost,
        )
        accept([envelope])
        push([envelope])
        self.model.submit(job)

    # Workers.

    @rule(
        worker=st.sampled_from(WORKERS),
        most=st.integers(1, 4),
        most_lost=st.integers(0, 2),
    )
    def claim(self, worker: str, most: int, most_lost: int) -> None:
        expected = self.model.next_up(self.books.waiting(), most, most_lost)
        executions = [secrets.token_hex(16) for _ in range(most)]
        engine = self.engines[worker]
        answer = self.do(engine.claim(9, 9, executions, (), most_lost))
        assert [job.id for job in answer.jobs] == expected  # noqa: S101
        for job in answer.jobs:
            known = self.model.jobs[job.id]
            self.model.start(known, job.execution, worker, solo=most_lost > 0)
            assert known.holder is not None  # noqa: S101
            assert job.runs_solo == known.holder.alone  # noqa: S101
            self.claimed.append((job, worker))

    @rule(worker=st.sampled_from(WORKERS), most_lost=st.integers(0, 2))
    def die(self, worker: str, most_lost: int) -> None:
        """Take what there is, and be heard of no more."""
        self.claim(worker, 4, most_lost)
        self.wait(16)
        self.sweep()

    @rule(worker=st.sampled_from(WORKERS))
    def beat(self, worker: str) -> None:
        engine = self.engines[worker]
        mine = [job for job, owner in self.claimed if owner == worker]
        self.do(engine.register({"state": "busy"}))
        gone = self.do(engine.renew(mine))
        self.model.renew(worker)
        holders = [
            job.holder.execution for job in self.model.jobs.values() if job.holder
        ]
        expected = {job.member for job in mine if job.execution not in holders}
        assert gone == expected  # noqa: S101

    @rule(worker=st.sampled_from(WORKERS), verb=VERBS, retry_after=RETRY_AFTER)
    def work(self, worker: str, verb: str, retry_after: float | None) -> None:
        """Take a job, and end it or another one."""
        self.claim(worker, 1, 1)
        if self.held():
            self.settle(0, verb, retry_after, late=False)

    @has_attempts
    @rule(
        which=_any,
        verb=VERBS,
        retry_after=RETRY_AFTER,
        late=st.sampled_from((False, False, False, True)),
    )
    def settle(
        self, which: int, verb: str, retry_after: float | None, *, late: bool
    ) -> None:
        known = self.claimed if late else self.held() or self.claimed
        job, worker = known[-1 - which % len(known)]
        after = retry_after if verb == "fail" else None
        made = Settlement(job, verb, self.clock.now, "null", "boom", after)
        state = self.do(self.engines[worker].settle([made]))[0]
        modelled = self.model.jobs[job.id]
        expected = self.model.settle(modelled, job.execution, verb, after)
        assert state == expected  # noqa: S101

    @rule()
    def release_children(self) -> None:
        while self.do(self.engines["w1"].release_children()):
            pass
        self.model.release()

    # Time, and schedulers.

    @rule(seconds=st.sampled_from(PASSING))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.model.now = self.clock.now

    @rule()
    def move(self) -> None:
        move_due(get_client())
        self.model.move()

    @rule()
    def sweep(self) -> None:
        sweep(QUEUE)
        self.model.sweep()

    # Operators.

    @rule(which=_any)
    def cancel(self, which: int) -> None:
        job = self.job(which)
        if self.model.cancel(job):
            actions.cancel(CODE, job.id)
        else:
            refused(actions.cancel, job.id)

    @rule(which=_any)
    def retry(self, which: int) -> None:
        job = self.job(which)
        if self.model.retry(job):
            actions.retry(CODE, job.id)
        else:
            refused(actions.retry, job.id)

    @rule(which=_any)
    def ask_to_stop(self, which: int) -> None:
        refused(actions.stop, self.job(which).id)  # nobody listens here

    @rule(is_paused=st.booleans())
    def pause(self, *, is_paused: bool) -> None:
        if is_paused:
            pauses.pause_queue(CODE, QUEUE)
        else:
            pauses.resume_queue(CODE, QUEUE)
        self.model.is_paused = is_paused

    # Recorders.

    @rule(dice=st.randoms(use_true_random=False), share=st.sampled_from((0.4, 1)))
    def record(self, dice: random.Random, share: float) -> None:
        """Record some events, in any order, and some of them once more."""
        record(self.books.take(dice, share))
        if share == 1:
            self.books.check_ledger(self.model)

    # What must hold after every step.

    @invariant()
    def everything_is_where_it_should_be(self) -> None:
        type(self).steps += 1
        self.books.check_redis(self.model)

    def teardown(self) -> None:
        self.record(random.Random(len(self.claimed)), 1)
        self.changes.update(self.books.changes)


def refused(act: Any, job_id: str) -> None:
    """Require that an operator's act is refused in words."""
    try:
        act(CODE, job_id)
    except (TransitionNotAllowed, WorkerUnreachable):
        return
    raise AssertionError(f"{act.__name__} of {job_id} was not refused")
