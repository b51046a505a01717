"""Where Redis keeps the ids of jobs that wait and run: read page by page.

Of those that wait only digests are kept, and of very many one part at a time: millions
of ids would take hundreds of megabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from redis.exceptions import ResponseError

from tasks.broker import keys
from tasks.broker.client import broker_errors, get_client
from tasks.broker.digests import Digests, part_of
from tasks.broker.periodic import without_periodic
from tasks.states import State

#: Ids read by one command: it holds Redis for about 0.1 ms.
PAGE = 1_000

#: Hashes that one command asks for.
HASHES = 500

#: Waiting jobs of which digests are kept at once: about 40 MB.
MOST_KEPT = 4_000_000


@dataclass
class Places:
    """The ids that are in the lists and sets of Redis, or one of several parts of them."""

    part: int = 0
    parts: int = 1
    queued: Digests = field(default_factory=Digests)
    aside: Digests = field(default_factory=Digests)
    #: Running jobs, with the executions that hold the leases.
    held: dict[str, str] = field(default_factory=dict)
    _known_to_run: set[str] = field(default_factory=set)

    def covers(self, job_id: str) -> bool:
        """Say whether a job belongs to this part."""
        return self.parts == 1 or part_of(job_id, self.parts) == self.part

    def read(self, queues: Sequence[str]) -> Iterator[None]:
        """Read them all; gives way between pages. Raises BrokerUnavailable."""
        for key in _keys_aside(queues):
            yield from _each(_pages_of_set(key), partial(self._keep, self.aside))
        for queue in queues:
            yield from _each(_pages_of_set(keys.lease(queue)), self._hold)
            pages = _pages_of_list(keys.queue(queue))
            yield from _each(pages, partial(self._keep, self.queued))

    def take(self, job_id: str, state: str) -> bool:
        """Say whether a job is where its state says; it is then no stranger."""
        is_queued, is_aside = self.queued.discard(job_id), self.aside.discard(job_id)
        if state == State.STARTED:
            self._known_to_run.add(job_id)
            return job_id in self.held
        return is_queued if state == State.QUEUED else is_aside

    def strangers(self, queues: Sequence[str]) -> Iterator[list[str]]:
        """Yield, by pages, the waiting jobs that nobody has taken and that still wait.

        Raises BrokerUnavailable.
        """
        if self.aside:
            for key in _keys_aside(queues):
                for ids in _pages_of_set(key):
                    yield without_periodic(list(filter(self.aside.discard, ids)))
        if self.queued:
            for queue in queues:
                for ids in _pages_of_list(keys.queue(queue)):
                    yield list(filter(self.queued.discard, ids))

    def running_strangers(self) -> list[str]:
        return [*(self.held.keys() - self._known_to_run)]

    def _keep(self, place: Digests, ids: Iterable[str]) -> None:
        for job_id in filter(self.covers, ids):
            place.add(job_id)

    def _hold(self, members: Iterable[str]) -> None:
        for member in members:
            job_id, _colon, execution = member.rpartition(":")
            if self.covers(job_id):
                self.held[job_id] = execution


def count_parts(queues: Sequence[str]) -> int:
    """Return in how many parts the waiting jobs are to be read.

    Raises BrokerUnavailable.
    """
    with broker_errors(), get_client().pipeline(transaction=False) as pipeline:
        for key in _keys_aside(queues):
            pipeline.zcard(key)
        for queue in queues:
            pipeline.llen(keys.queue(queue))
        answers = pipeline.execute(raise_on_error=False)
    # One that is no such key is passed by, here as below.
    return 1 + sum(n for n in answers if isinstance(n, int)) // MOST_KEPT


def _keys_aside(queues: Sequence[str]) -> list[str]:
    sets = (keys.scheduled, keys.deferred)
    return [keys.DELAYED, *(name(queue) for name in sets for queue in queues)]


def _each(
    pages: Iterator[list[str]], keep: Callable[[list[str]], None]
) -> Iterator[None]:
    """Have pages kept; gives way between them."""
    keep(next(pages, []))
    for page in pages:
        yield
        keep(page)


def _pages_of_list(key: str) -> Iterator[list[str]]:
    # From the end: what is taken from the front meanwhile moves nothing there.
    last = -1
    while ids := _ids(key, last):
        yield ids
        if len(ids) < PAGE:
            return
        last -= PAGE


def _ids(key: str, last: int) -> list[str]:
    with broker_errors():
        try:
            ids: Any = get_client().lrange(key, last - PAGE + 1, last)
        except ResponseError:  # no list: a claim passes it by as well
            return []
    return [_text(job_id) for job_id in ids]


def _pages_of_set(key: str) -> Iterator[list[str]]:
    """Yield the members of a sorted set; those that stay in it are not missed."""
    client: Any = get_client()
    cursor, is_first = 0, True
    while is_first or cursor:
        with broker_errors():
            try:
                cursor, found = client.zscan(key, cursor, count=PAGE)
            except ResponseError:
                return
        yield [_text(member) for member, _score in found]
        is_first = False


def without_hash(job_ids: Sequence[str]) -> set[str]:
    """Return those of the jobs that have no hash. Raises BrokerUnavailable."""
    gone: set[str] = set()
    for start in range(0, len(job_ids), HASHES):
        portion = job_ids[start : start + HASHES]
        with broker_errors():
            count: Any = get_client().exists(*map(keys.job, portion))
        if count < len(portion):
            gone.update(_gone(portion))
    return gone


def _gone(job_ids: Sequence[str]) -> list[str]:
    with broker_errors(), get_client().pipeline(transaction=False) as pipeline:
        for job_id in job_ids:
            pipeline.exists(keys.job(job_id))
        answers = pipeline.execute()
    pairs = zip(job_ids, answers, strict=True)
    return [job_id for job_id, is_there in pairs if not is_there]


def delayed_until(job_ids: list[str]) -> dict[str, float]:
    """Return when jobs in rq-scheduler's set are due. Raises BrokerUnavailable."""
    if not job_ids:
        return {}
    with broker_errors():
        try:
            scores: Any = get_client().zmscore(keys.DELAYED, job_ids)
        except ResponseError:
            return {}
    pairs = zip(job_ids, scores, strict=True)
    return {job_id: score for job_id, score in pairs if score is not None}


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
