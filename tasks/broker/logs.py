"""The log lines of jobs, while Redis holds them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tasks.broker import keys
from tasks.broker.client import broker_errors, get_client

#: Characters of an attempt's log that the ledger keeps.
KEPT = 5 * 1024 * 1024

#: Lines that one read returns.
LINES = 1_000


@dataclass(frozen=True)
class LogLine:
    """One line, with the id of its attempt."""

    id: str
    at: datetime
    attempt_id: str
    line: str

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S}.{self.at.microsecond // 1000:03d} {self.line}"


def read_log(job_id: str, after: str = "0", limit: int = LINES) -> list[LogLine]:
    """Return a running job's lines after the one with id `after`, oldest first.

    Raises BrokerUnavailable.
    """
    start = f"({after}" if after != "0" else "-"
    with broker_errors():
        entries: Any = get_client().xrange(keys.log(job_id), start, "+", count=limit)
    return [_line(entry, fields) for entry, fields in entries]


def tail_log(job_id: str, limit: int = LINES) -> list[LogLine]:
    """Return a running job's last lines, oldest first. Raises BrokerUnavailable."""
    with broker_errors():
        entries: Any = get_client().xrevrange(keys.log(job_id), "+", "-", count=limit)
    return [_line(entry, fields) for entry, fields in reversed(entries)]


def read_attempt_log(job_id: str, attempt_id: str) -> str:
    """Return all lines of one attempt as text. Raises BrokerUnavailable."""
    with broker_errors():
        if not get_client().exists(keys.log(job_id)):
            return ""
    parts: list[str] = []
    size, after = 0, "0"
    while size < KEPT and (lines := read_log(job_id, after)):
        after = lines[-1].id
        texts = [f"{line}\n" for line in lines if line.attempt_id == attempt_id]
        size += sum(map(len, texts))
        parts += texts
    return "".join(parts).replace("\x00", "")


def _line(entry: bytes, fields: dict[bytes, bytes]) -> LogLine:
    return LogLine(
        entry.decode(),
        datetime.fromtimestamp(float(fields[b"at"]), UTC),
        fields[b"exec"].decode(),
        fields[b"line"].decode("utf-8", "replace"),
    )
