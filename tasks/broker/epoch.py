"""What tells that Redis lost data: its mark, its run, and how far its events have come."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import ResponseError

from tasks.broker import keys
from tasks.broker.client import broker_errors, get_client
from tasks.broker.writes import write


@dataclass(frozen=True)
class Mark:
    """What Redis says of itself at one moment, which it told."""

    #: "" where there is none: all that was there is gone.
    epoch: str
    #: The run of the server: after a restart it may have less than before.
    server: str
    #: The last entry that the event stream ever had.
    entry: str
    at: datetime

    def is_behind(self, entry: str) -> bool:
        """Say whether the stream had come further than it has now."""
        return _place(self.entry) < _place(entry)


def _place(entry: str) -> tuple[int, int]:
    milliseconds, _dash, count = entry.partition("-")
    return int(milliseconds or 0), int(count or 0)


def read_mark() -> Mark:
    """Raises BrokerUnavailable."""
    with broker_errors(), get_client().pipeline(transaction=False) as pipeline:
        pipeline.get(keys.EPOCH)
        pipeline.info("server")
        pipeline.xinfo_stream(keys.EVENTS)
        pipeline.time()
        epoch, server, stream, (seconds, micros) = pipeline.execute(
            raise_on_error=False
        )
        for answer in (epoch, server):
            if isinstance(answer, Exception):
                raise answer
    return Mark(
        (epoch or b"").decode(),
        str(server.get("run_id", "")),
        _last_entry(stream),
        datetime.fromtimestamp(seconds + micros / 1e6, UTC),
    )


def _last_entry(stream: Any) -> str:
    if isinstance(stream, ResponseError):  # there is no stream
        return ""
    if isinstance(stream, Exception):
        raise stream
    last: bytes = stream["last-generated-id"]
    return last.decode()


def make_epoch() -> None:
    """Set the mark where there is none. Raises BrokerUnavailable."""
    with broker_errors():
        write([("SET", keys.EPOCH, secrets.token_hex(16), "NX")])
