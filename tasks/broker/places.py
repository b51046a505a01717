"""Where Redis keeps the ids of jobs that wait and run: read page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import ResponseError

from tasks.broker import keys
from tasks.broker.client import broker_errors, get_client
from tasks.states import State

#: Ids read by one command: it holds Redis for about 0.1 ms.
PAGE = 1_000

#: Hashes that one command asks for.
HASHES = 500


@dataclass
class Places:
    """The ids that are in the lists and sets of Redis."""

    queued: set[str] = field(default_factory=set)
    aside: set[str] = field(default_factory=set)
    #: Running jobs, with the executions that hold the leases.
    held: dict[str, str] = field(default_factory=dict)
    _known_to_run: set[str] = field(default_factory=set)

    def read(self, queues: Sequence[str]) -> Iterator[None]:
        """Read them all; gives way after each page. Raises BrokerUnavailable."""
        for key in (keys.DELAYED, *map(keys.scheduled, queues)):
            yield from _read_set(key, self.aside.add)
        for queue in queues:
            yield from _read_set(keys.deferred(queue), self.aside.add)
            yield from _read_set(keys.lease(queue), self._hold)
            yield from self._read_list(keys.queue(queue))

    def take(self, job_id: str, state: str) -> bool:
        """Say whether a job is where its state says; it is then no stranger."""
        is_queued, is_aside = job_id in self.queued, job_id in self.aside
        self.queued.discard(job_id)
        self.aside.discard(job_id)
        if state == State.STARTED:
            self._known_to_run.add(job_id)
            return job_id in self.held
        return is_queued if state == State.QUEUED else is_aside

    def strangers(self) -> list[str]:
        """Return the waiting jobs that nobody has taken."""
        return [*self.queued, *self.aside]

    def running_strangers(self) -> list[str]:
        return [*(self.held.keys() - self._known_to_run)]

    def _hold(self, member: str) -> None:
        job_id, _colon, execution = member.rpartition(":")
        self.held[job_id] = execution

    def _read_list(self, key: str) -> Iterator[None]:
        # From the end: what is taken from the front meanwhile moves nothing there.
        last = -1
        while ids := _ids(key, last):
            self.queued.update(ids)
            if len(ids) < PAGE:
                return
            last -= PAGE
            yield


def _ids(key: str, last: int) -> list[str]:
    with broker_errors():
        try:
            ids: Any = get_client().lrange(key, last - PAGE + 1, last)
        except ResponseError:  # no list: a claim passes it by as well
            return []
    return [_text(job_id) for job_id in ids]


def _read_set(key: str, keep: Callable[[str], object]) -> Iterator[None]:
    """Read a sorted set; what stays in it meanwhile is not missed."""
    client: Any = get_client()
    cursor, is_first = 0, True
    while is_first or cursor:
        with broker_errors():
            try:
                cursor, found = client.zscan(key, cursor, count=PAGE)
            except ResponseError:
                return
        for member, _score in found:
            keep(_text(member))
        if cursor:
            yield
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


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
