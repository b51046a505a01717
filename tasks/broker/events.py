"""The event stream, read by the recorders as one consumer group."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from os import getpid
from typing import Any

import redis
from redis.exceptions import ResponseError

from tasks.broker import keys
from tasks.broker.client import broker_errors, connection_options
from tasks.broker.writes import Command, write
from tasks.conf import get_config

#: Events in one batch: enough for the start and the end of most jobs to meet in it.
BATCH = 2_000

#: Events that one command reads or drops; it holds Redis for less than 1 ms.
AT_ONCE = 250

#: Seconds that a read waits for the first event.
WAIT_FOR = 1.0

#: Milliseconds after which events of a recorder that went away are read by another.
ABANDONED_AFTER = 5_000


@dataclass(slots=True)
class Event:
    """One change of a job, as a script wrote it; facts are decoded when asked for."""

    entry: bytes
    fields: Mapping[bytes, bytes]
    id: str = field(init=False)
    kind: str = field(init=False)
    state: str = field(init=False)
    #: The job's number of this change, 0 where there is none.
    seq: int = field(init=False)

    def __post_init__(self) -> None:
        self.id = self["id"]
        self.kind = self["kind"]
        self.state = self["state"]
        try:
            self.seq = int(self.fields[b"seq"])
        except (KeyError, ValueError):
            self.seq = 0

    def __getitem__(self, name: str) -> str:
        value = self.fields.get(name.encode())
        return value.decode("utf-8", "replace") if value else ""

    def __contains__(self, name: str) -> bool:
        return name.encode() in self.fields

    def raw(self, name: str) -> bytes:
        return self.fields.get(name.encode(), b"")

    def number(self, name: str) -> float | None:
        try:
            return float(self.fields[name.encode()])
        except (KeyError, ValueError):
            return None


class EventReader:
    """Reads batches of events and acknowledges them when they are recorded."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name or f"{socket.gethostname()}-{getpid()}"
        options = connection_options(WAIT_FOR + 5)
        url = get_config().broker_url()
        self._client = redis.Redis.from_url(url, protocol=2, **options)
        # redis-py would make a dictionary of text for every event.
        self._client.set_response_callback("XREADGROUP", _keep)
        self._client.set_response_callback("XAUTOCLAIM", _keep)
        self._claim_from = b"0-0"
        self._claimed_at = float("-inf")
        self._had_group = False

    def read(self, wait: float = WAIT_FOR) -> list[Event]:
        """Return the next events, [] when none came within `wait` seconds.

        Raises BrokerUnavailable.
        """
        with broker_errors():
            try:
                events = self._abandoned() or self._new(wait)
            except ResponseError as error:
                if not str(error).startswith("NOGROUP"):
                    raise
                self._make_group()
                return []
            self._had_group = True
            return events

    def acknowledge(self, events: Sequence[Event]) -> None:
        """Drop recorded events. Raises BrokerUnavailable; they then come again."""
        for start in range(0, len(events), AT_ONCE):
            entries = [event.entry for event in events[start : start + AT_ONCE]]
            read: Command = ("XACK", keys.EVENTS, keys.EVENTS_GROUP, *entries)
            # Not by MULTI, into which a full Redis takes no command at all.
            with broker_errors():
                write([read, ("XDEL", keys.EVENTS, *entries)], self._client)

    def _make_group(self) -> None:
        made = ("XGROUP", "CREATE", keys.EVENTS, keys.EVENTS_GROUP, "0", "MKSTREAM")
        # Where there was one before, the stream is gone, and with it events.
        lost = [("DEL", keys.EPOCH)] if self._had_group else []
        try:
            write([made, *lost], self._client)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def _new(self, wait: float) -> list[Event]:
        """Wait for the first events, and take what waits behind them."""
        events = self._next(max(1, int(wait * 1000)))
        full = len(events) == AT_ONCE
        while full and len(events) < BATCH:
            more = self._next(None)
            events += more
            full = len(more) == AT_ONCE
        return events

    def _next(self, block: int | None) -> list[Event]:
        answer: Any = self._client.xreadgroup(
            keys.EVENTS_GROUP,
            self.name,
            {keys.EVENTS: ">"},
            count=AT_ONCE,
            block=block,
        )
        pairs = answer.items() if isinstance(answer, dict) else answer or ()  # RESP3, 2
        return [event for _stream, entries in pairs for event in _events(entries)]

    def _abandoned(self) -> list[Event]:
        """Events that some recorder, this one before a failure included, never confirmed."""
        if time.monotonic() - self._claimed_at < ABANDONED_AFTER / 2_000:
            return []
        answer: Any = self._client.xautoclaim(
            keys.EVENTS,
            keys.EVENTS_GROUP,
            self.name,
            ABANDONED_AFTER,
            self._claim_from,
            count=AT_ONCE,
        )
        self._claim_from = answer[0]
        if self._claim_from == b"0-0":  # that was the last of them
            self._claimed_at = time.monotonic()
        return _events(answer[1])


def _keep(answer: Any, **_options: Any) -> Any:
    return answer


def _events(entries: Iterable[Any]) -> list[Event]:
    """Read entries as Redis lists them: (id, [name, value, ...])."""
    events = []
    for found in entries:
        if found and found[1]:  # else it was dropped meanwhile
            values = iter(found[1])
            events.append(Event(found[0], dict(zip(values, values, strict=True))))
    return events
