"""Moving due jobs into their queues: what one call does, and in which order it is asked.

They move in the order in which they came due. Where very many are due, or soon will be,
those of queues that have few of them are searched for and let past: see overtake.lua.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import redis

from tasks.broker.metas import repeats
from tasks.broker.scripts import Invocation, Value, invoke_many, script

#: Jobs moved by one call: no call may hold Redis for long; and while a row of due jobs is
#: searched that was not searched ahead, which must not take long.
AT_ONCE, AT_ONCE_BESIDE = 100, 10

#: Jobs in one row from which on it is searched, and entries that one call looks at.
LONG, WINDOW = 1_000, 1_000

#: Seconds before a row is due that it is searched, and jobs kept in mind from that.
AHEAD, MOST_KEPT = 2.0, 10_000


class Moved(NamedTuple):
    """What was moved, and what remains."""

    taken: int
    #: Seconds until the next job is due, by Redis' clock; None where none waits.
    wait: float | None
    #: Due jobs that are left in rq-scheduler's set, and those that will be soon.
    left: int
    soon: int
    #: Those to move first that are not due yet.
    later: Sequence[Value] = ()
    #: Metas that must be judged before more can move.
    asked: Sequence[bytes] = ()
    #: Like `wait`, of RQ's sets alone; None too where they were not looked at.
    stock_wait: float | None = None


@dataclass
class Search:
    """Looks through a long row of jobs for those of queues that have few there."""

    ahead: float = 0.0
    #: Whether others are to wait meanwhile.
    hurries: bool = False
    #: Unix seconds up to which all has been looked at.
    _seen: Value = "-1"
    #: The rank below which to go on, "" from the newest; and up to when that looks.
    _rank: Value = ""
    _until: Value = ""

    @property
    def is_under_way(self) -> bool:
        return self._rank != ""

    def invocation(self) -> Invocation:
        args = (self._rank, WINDOW, self._seen, AT_ONCE, self.ahead)
        return Invocation(script("overtake"), (), args)

    def note(self, rank: Value, until: Value) -> None:
        """Note how far a call came."""
        if not self.is_under_way:
            self._until = until
        self._rank = rank or ""
        if not self.is_under_way:
            self._seen = self._until


class Moves:
    """Moves what is due, a bounded number of jobs by each call."""

    def __init__(self) -> None:
        #: Of what is due, and of what will be.
        self._search: Search | None = None
        self._scout: Search | None = None
        #: What the scout found.
        self._first: list[Value] = []

    def make(self, client: redis.Redis, *, everywhere: bool = True) -> Moved:
        """Move the next jobs, of RQ's sets too if so asked. Raises what redis-py raises."""
        searches = [one for one in (self._search, self._scout) if one]
        first, rest = self._first[:AT_ONCE], self._first[AT_ONCE:]
        calls = [one.invocation() for one in searches]
        request = Request(self._most(), first, everywhere=everywhere)
        moved, answers = _ask(client, request, calls)
        self._first = [*rest, *moved.later]
        for search, (taken, rank, until, found) in zip(searches, answers, strict=True):
            search.note(rank, until)
            self._first = [*self._first, *found][:MOST_KEPT]
            moved = moved._replace(taken=moved.taken + taken)
        self._plan(moved)
        is_scouting = self._scout is not None and self._scout.is_under_way
        return moved._replace(wait=0.0) if is_scouting else moved

    def _most(self) -> int:
        search = self._search
        is_urgent = search is not None and search.is_under_way and search.hurries
        return AT_ONCE_BESIDE if is_urgent else AT_ONCE

    def _plan(self, moved: Moved) -> None:
        """Have a row searched from the next call on, where one is long."""
        if moved.left < LONG:
            self._search = None
        elif self._search is None:
            self._search = Search(hurries=self._scout is None)
        if moved.soon < LONG:
            self._scout = None
        elif self._scout is None:
            self._scout = Search(AHEAD)


def move_due(client: redis.Redis, early: Sequence[str] = ()) -> Moved:
    """Move due jobs, and those named before they are due. Raises what redis-py raises."""
    return _ask(client, Request(AT_ONCE, early, is_early=True))[0]


@dataclass(frozen=True)
class Request:
    """What one call is to move."""

    most: int
    #: Ids in rq-scheduler's set that are moved first; and whether before they are due.
    first: Sequence[Value] = ()
    is_early: bool = False
    #: Whether to look into RQ's sets as well.
    everywhere: bool = True

    def invocation(self, judged: Mapping[str, bool]) -> Invocation:
        words = [word for one, is_so in judged.items() for word in (one, int(is_so))]
        flags = (int(self.is_early), int(self.everywhere))
        args = (self.most, AHEAD, *flags, len(judged), *words, *self.first)
        return Invocation(script("move"), (), args)


def _ask(
    client: redis.Redis, request: Request, beside: Sequence[Invocation] = ()
) -> tuple[Moved, list[Any]]:
    """Have jobs moved, and judge the metas that hold some up; call the others once."""
    judged: dict[str, bool] = {}
    answer, *answers = invoke_many(client, [request.invocation(judged), *beside])
    moved = _read(answer)
    while moved.asked:
        judged |= {_sha1(meta): repeats(meta) for meta in moved.asked}
        more = _read(invoke_many(client, [request.invocation(judged)])[0])
        moved = more._replace(taken=moved.taken + more.taken)
    return moved, answers


def _read(answer: Sequence[Any]) -> Moved:
    taken, wait, left, soon, later, asked, stock_wait = answer
    return Moved(taken, _wait(wait), left, soon, later, asked, _wait(stock_wait))


def _wait(text: bytes) -> float | None:
    return float(text) if text else None


def _sha1(meta: bytes) -> str:
    # What Redis has for it; nothing rests on its strength.
    return hashlib.sha1(meta, usedforsecurity=False).hexdigest()
