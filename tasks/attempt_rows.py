"""What events say of attempts, as rows of the ledger."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from tasks.broker.events import Event
from tasks.broker.logs import read_attempt_log
from tasks.bulk import BulkInsert, Row
from tasks.errors import BrokerUnavailable
from tasks.job_rows import moment, storable
from tasks.models import Attempt
from tasks.states import State

logger = logging.getLogger(__name__)

#: Kinds of event that end an attempt, and the state that the attempt then has.
ATTEMPT_ENDS = {
    "finished": State.FINISHED.value,
    "failed": State.FAILED.value,
    "stopped": State.STOPPED.value,
    "quarantined": State.QUARANTINED.value,
    "retrying": State.FAILED.value,
    "lost": State.LOST.value,
    "handedback": State.CANCELED.value,
    "vanished": State.CANCELED.value,
    "removed": State.CANCELED.value,
    "superseded": State.LOST.value,
}

#: Which end stands where several came. A late end of a lost attempt is kept with it; the
#: same end sent twice is told as superseded the second time, and then the first stands.
RANKS = {"lost": 1, "superseded": 2}
DECIDED = 3


def _rank(row: str) -> str:
    """Return SQL for the rank of the end that a row holds."""
    return (
        f"CASE WHEN {row}.ended_at IS NULL THEN 0"
        f" WHEN {row}.superseded THEN {RANKS['superseded']}"
        f" WHEN {row}.state = '{State.LOST}' THEN {RANKS['lost']} ELSE {DECIDED} END"
    )


_OUTRANKS = f"{_rank('excluded')} > {_rank('old')}"

#: Columns that the end settles.
_END_COLUMNS = ("state", "superseded", "ended_at", "error", "message", "traceback")

_CHANGES = {
    **{
        name: f"CASE WHEN {_OUTRANKS} THEN excluded.{name} ELSE old.{name} END"
        for name in _END_COLUMNS
    },
    "number": "CASE WHEN excluded.number > old.number"
    " THEN excluded.number ELSE old.number END",
    "worker": "CASE WHEN old.worker = '' THEN excluded.worker ELSE old.worker END",
    "host": "CASE WHEN old.host = '' THEN excluded.host ELSE old.host END",
    "log": f"CASE WHEN {_OUTRANKS} AND excluded.log <> ''"
    " THEN excluded.log ELSE old.log END",
    "started_at": f"CASE WHEN {_OUTRANKS}"
    " THEN COALESCE(excluded.started_at, old.started_at)"
    " ELSE COALESCE(old.started_at, excluded.started_at) END",
}

ATTEMPTS = BulkInsert(
    Attempt,
    ("id", "job_key", "number", "worker", "host", "started_at", *_END_COLUMNS, "log"),
    changes=_CHANGES,
)


def attempt_rows(events: Iterable[Event]) -> list[Row]:
    """Return the rows of attempts (ATTEMPTS), those that ended with their logs."""
    tries: dict[str, _Try] = {}
    for event in events:
        if execution := event["exec"]:
            found = tries.get(execution)
            if found is None:
                found = tries[execution] = _Try(execution, event.id)
            found.add(event)
    return [found.row() for found in tries.values()]


@dataclass(slots=True)
class _Try:
    """What the events of one batch say of one attempt."""

    id: str
    job_key: str
    number: int = 1
    worker: str = ""
    host: str = ""
    began: float | None = None
    end: Event | None = None
    rank: int = 0

    def add(self, event: Event) -> None:
        self.number = max(self.number, int(event.number("attempt") or 0))
        self.worker = self.worker or event["worker"]
        self.host = self.host or event["host"]
        kind = event.kind
        if kind == "started":
            self.began = event.number("at")
        elif kind in ATTEMPT_ENDS and (rank := RANKS.get(kind, DECIDED)) > self.rank:
            self.end, self.rank = event, rank

    def row(self) -> Row:
        facts = (self.id, self.job_key, self.number, self.worker, self.host)
        if self.end is None:
            open_end = (State.STARTED.value, False, None, "", "", "", "")
            return *facts, moment(self.began), *open_end
        began = self.end.number("started") or self.began
        log = self._log() if self.end["logged"] == "1" else ""
        return *facts, moment(began), *_end_values(self.end), log

    def _log(self) -> str:
        try:
            return read_attempt_log(self.job_key, self.id)
        except BrokerUnavailable as error:
            logger.warning("the log of job %s was not kept: %s", self.job_key, error)
            return ""


def _end_values(event: Event) -> Row:
    """Return state, superseded, ended_at, error, message and traceback."""
    kind = event.kind
    return (
        ATTEMPT_ENDS[kind],
        kind == "superseded",
        moment(event.number("at")),
        event["error"][:200],
        storable(event["message"]),
        storable(event["traceback"]),
    )
