"""The event stream, read by the recorders as one consumer group."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from os import getpid
from typing import Any

import redis
from redis.exceptions import ResponseError

from tasks.broker import keys
from tasks.broker.client import broker_errors, connection_options
from tasks.conf import get_config

#: Events in one batch.
BATCH = 1_000

#: Seconds that a read waits for the first event.
WAIT_FOR = 1.0

#: Milliseconds after which events of a recorder that went away are read by another.
ABANDONED_AFTER = 5_000


@dataclass(frozen=True)
class Event:
    """One change of a job, as a script wrote it."""

    entry: str
    fields: dict[str, str]
    raw: dict[str, bytes]

    def __getitem__(self, name: str) -> str:
        return self.fields.get(name, "")

    def number(self, name: str) -> float | None:
        try:
            return float(self.fields[name])
        except (KeyError, ValueError):
            return None


class EventReader:
    """Reads batches of events and acknowledges them when they are recorded."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name or f"{socket.gethostname()}-{getpid()}"
        url = get_config().broker_url()
        self._client = redis.Redis.from_url(url, **connection_options(WAIT_FOR + 5))
        self._claim_from = "0-0"

    def read(self, wait: float = WAIT_FOR) -> list[Event]:
        """Return the next events, [] when none came within `wait` seconds.

        Raises BrokerUnavailable.
        """
        with broker_errors():
            try:
                return self._abandoned() or self._new(wait)
            except ResponseError as error:
                if not str(error).startswith("NOGROUP"):
                    raise
                self._make_group()
                return []

    def acknowledge(self, events: Sequence[Event]) -> None:
        """Drop recorded events. Raises BrokerUnavailable; they then come again."""
        entries = [event.entry for event in events]
        with broker_errors(), self._client.pipeline(transaction=True) as pipeline:
            pipeline.xack(keys.EVENTS, keys.EVENTS_GROUP, *entries)
            pipeline.xdel(keys.EVENTS, *entries)
            pipeline.execute()

    def _make_group(self) -> None:
        try:
            self._client.xgroup_create(
                keys.EVENTS, keys.EVENTS_GROUP, "0", mkstream=True
            )
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    def _new(self, wait: float) -> list[Event]:
        answer: Any = self._client.xreadgroup(
            keys.EVENTS_GROUP,
            self.name,
            {keys.EVENTS: ">"},
            count=BATCH,
            block=max(1, int(wait * 1000)),
        )
        return [event for entries in _streams(answer) for event in _events(entries)]

    def _abandoned(self) -> list[Event]:
        """Events that some recorder, this one before a failure included, never confirmed."""
        answer: Any = self._client.xautoclaim(
            keys.EVENTS,
            keys.EVENTS_GROUP,
            self.name,
            ABANDONED_AFTER,
            self._claim_from,
            count=BATCH,
        )
        self._claim_from = answer[0].decode()
        return _events(answer[1])


def _streams(answer: Any) -> list[Any]:
    """Return the entries of each stream; RESP3 answers with a mapping."""
    if isinstance(answer, dict):
        return [
            entries
            for batches in answer.values()
            for entries in (
                batches if batches and isinstance(batches[0], list) else [batches]
            )
        ]
    return [entries for _stream, entries in answer or ()]


def _events(entries: Any) -> list[Event]:
    events = []
    for entry, raw in entries:
        if not raw:
            continue
        named = {name.decode("utf-8", "replace"): raw[name] for name in raw}
        texts = {
            name: value.decode("utf-8", "replace") for name, value in named.items()
        }
        events.append(Event(entry.decode(), texts, named))
    return events
