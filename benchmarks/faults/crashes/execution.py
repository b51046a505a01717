"""What happens in the processes that are killed, and in those that put things right."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import django

from benchmarks.faults.crashes.world import World

django.setup()  # once, in the process that all of these are forked from

from django.db import connection  # noqa: E402 - Django is ready now

from benchmarks.faults.crashes import aftermath  # noqa: E402
from benchmarks.faults.crashes.acts import ACTS  # noqa: E402
from tasks.scheduler import Scheduler  # noqa: E402

T = TypeVar("T")

#: Seconds for which the ordinary processes come by at a time: some waits are as short.
PUT_RIGHT_WITHIN = 2.0


@dataclass(frozen=True)
class SqlCut:
    """At which statement the process dies, and whether the database gets it."""

    at: int
    reached: bool


@dataclass
class Statements:
    """Counts what is sent to the database, commits too, and dies at one of them."""

    cut: SqlCut | None = None
    seen: list[str] = field(default_factory=list)

    def __call__(
        self, execute: Callable[..., T], sql: str, *more: Any, **named: Any
    ) -> T:
        """Stand around a statement, as Django's `execute_wrapper` asks."""
        name = " ".join(sql.split()[:3])
        return self._around(name, lambda: execute(sql, *more, **named))

    @contextmanager
    def watched(self) -> Iterator[None]:
        # A commit is no statement to Django, and the one that matters most.
        wrapper: Any = connection
        commit = wrapper._commit
        wrapper._commit = lambda: self._around("COMMIT", commit)
        try:
            with connection.execute_wrapper(self):
                yield
        finally:
            wrapper._commit = commit

    def _around(self, name: str, execute: Callable[[], T]) -> T:
        self.seen.append(name)
        is_last = self.cut is not None and len(self.seen) == self.cut.at
        if self.cut and is_last and not self.cut.reached:
            _die()
        answer = execute()
        if is_last:
            _die()
        return answer


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def prepare(world: World, act: str) -> Any:
    """Make the scene of an act; nothing of it is open when this returns."""
    world.enter()
    given = ACTS[act].prepare()
    connection.close()
    return given


def perform(
    world: World, act: str, given: Any, redis_url: str, cut: tuple[int, bool] | None
) -> list[str]:
    """Act, by the Redis at that URL; returns the statements that were made."""
    world.enter(redis_url)
    statements = Statements(SqlCut(*cut) if cut else None)
    with statements.watched():
        ACTS[act].perform(given)
    return statements.seen


def put_right(world: World, act: str) -> list[str]:
    """Do what the ordinary processes do, and say what is still wrong then."""
    world.enter()
    ACTS[act].again()
    scheduler = Scheduler()
    deadline = time.monotonic() + PUT_RIGHT_WITHIN
    while True:
        aftermath.come_by(scheduler)
        wrong = list(aftermath.violations(world, forgetful=ACTS[act].forgetful))
        wrong += ACTS[act].expect()
        if not wrong or time.monotonic() > deadline:
            return wrong
        time.sleep(0.1)


PARTS: dict[str, Callable[..., Any]] = {
    "prepare": prepare,
    "perform": perform,
    "put_right": put_right,
}


def tell(answer: Connection, part: str, *args: Any) -> None:
    """Do one part and send what it returned, or the traceback."""
    try:
        answer.send((True, PARTS[part](*args)))
    except Exception:
        answer.send((False, traceback.format_exc()))
