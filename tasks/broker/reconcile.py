"""What the comparison of ledger and broker asks of Redis, job by job."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tasks.broker import keys
from tasks.broker.client import broker_errors, get_client
from tasks.broker.scripts import Invocation, Value, invoke, invoke_many, script
from tasks.broker.wire import (
    LEDGER_RESULT_LIMIT,
    Envelope,
    format_date,
    parse_date,
)
from tasks.broker.writes import write

#: Jobs that one call looks at: it holds Redis for about 0.5 ms.
LOOK_AT_ONCE = 50

Facts = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Sight:
    """What Redis holds of a job."""

    #: "" where there is no job.
    status: str
    #: "" for a stock client's job that we have not touched.
    seq: str = ""
    execution: str = ""
    #: held, aside, missing or "": see look.lua.
    place: str = ""


@dataclass(frozen=True, slots=True)
class Mend:
    """An act on one job, done only while it is as it was seen."""

    verb: str
    job_id: str
    sight: Sight
    #: The number of the last event that the ledger has recorded.
    seq: int
    argument: str = ""
    facts: Facts | None = None

    def invocation(self) -> Invocation:
        args: list[Value] = [self.verb, self.job_id, self.sight.status, self.sight.seq]
        args += [self.seq, self.argument, *_flat(self.facts or {})]
        return Invocation(script("mend"), (), args)


def server_time() -> datetime:
    """Raises BrokerUnavailable."""
    with broker_errors():
        seconds, micros = get_client().time()
    return datetime.fromtimestamp(seconds + micros / 1e6, UTC)


def look(jobs: Sequence[tuple[str, str, str]]) -> list[Sight]:
    """Look at jobs: id, queue, and the execution whose lease was seen ("": none).

    Raises BrokerUnavailable.
    """
    calls = [
        Invocation(script("look"), (), [word for job in portion for word in job])
        for portion in _portions(jobs, LOOK_AT_ONCE)
    ]
    with broker_errors():
        answers = invoke_many(get_client(), calls) if calls else []
    return [
        Sight(*(word.decode("utf-8", "replace") for word in sight))
        for of_call in answers
        for sight in of_call
    ]


def mend(acts: Sequence[Mend]) -> int:
    """Do what can still be done; returns how many. Raises BrokerUnavailable."""
    if not acts:
        return 0
    with broker_errors():
        return sum(invoke_many(get_client(), [act.invocation() for act in acts]))


def unblock(
    child: str, error: str, message: str, parents: Sequence[tuple[str, str]]
) -> str:
    """Release, cancel or keep a job that waits for its parents; returns its state.

    `parents` are ids and states by the ledger. Raises BrokerUnavailable.
    """
    args = [child, error, message, *(word for parent in parents for word in parent)]
    with broker_errors():
        state: bytes = invoke(get_client(), "unblock", (), args)
    return state.decode()


def restore_running(job: Envelope, execution: str, worker: str) -> bool:
    """Write again the hash of a job that is being run. Raises BrokerUnavailable."""
    fields: Facts = {
        **job.shared_fields(),
        "created_at": format_date(job.created_at),
        "data": job.data,
        "description": job.description or job.call_string(),
        "worker_name": worker,
    }
    args: list[Value] = [job.id, job.queue, execution, *_flat(fields)]
    with broker_errors():
        return bool(invoke(get_client(), "restore", (), args))


def tell_of_gone(events: Sequence[Facts]) -> None:
    """Write events of jobs that Redis knows no more. Raises BrokerUnavailable."""
    if events:
        with broker_errors():
            write([("XADD", keys.EVENTS, "*", *_flat(event)) for event in events])


def dropped_entries() -> list[str]:
    """Return jobs whose entries were dropped because they were gone.

    Raises BrokerUnavailable.
    """
    with broker_errors():
        members: Any = get_client().sscan(keys.MISSING, 0, count=1_000)[1]
    return [member.decode("utf-8", "replace") for member in members]


def forget_dropped(job_ids: Sequence[str]) -> None:
    """Raises BrokerUnavailable."""
    if job_ids:
        with broker_errors():
            get_client().srem(keys.MISSING, *job_ids)


def note_queues(names: Sequence[str]) -> None:
    """Put queues on RQ's list of them. Raises BrokerUnavailable."""
    if names:
        with broker_errors():
            write([("SADD", keys.QUEUES, *map(keys.queue, names))])


# What Redis knows of an attempt, for an event that was lost.


def facts_of(job_id: str) -> Facts:
    """Return what the event would tell of a job's last attempt, or of its end.

    Raises BrokerUnavailable.
    """
    names = (
        "status",
        "ty:exec",
        "worker_name",
        "ty:attempts",
        "ended_at",
        "started_at",
    )
    with broker_errors(), get_client().pipeline(transaction=False) as pipeline:
        pipeline.hmget(keys.job(job_id), names)
        pipeline.xrevrange(keys.results(job_id), count=1)
        values, results = pipeline.execute(raise_on_error=False)
    if isinstance(values, Exception):
        return {}
    status, execution, worker, attempt, ended_at, started_at = (
        (value or b"").decode("utf-8", "replace") for value in values
    )
    facts: Facts = {"worker": worker, "attempt": attempt or 1, "by": "rq"}
    if status == "started":
        facts |= {"exec": execution, "at": _seconds(started_at)}
    elif ended_at:
        facts |= {"at": _seconds(ended_at), "started": _seconds(started_at)}
        if status != "canceled" and isinstance(results, list) and results:
            facts |= _end_of(results[0][1])
    return {name: value for name, value in facts.items() if value != ""}


def _end_of(entry: Mapping[bytes, bytes]) -> Facts:
    text = {name.decode(): value.decode() for name, value in entry.items()}
    facts: Facts = {"exec": text.get("execution_id", "")}
    if packed := text.get("return_value"):
        result = _result(packed)
        size = len(result.encode())
        facts |= {"result": result[:LEDGER_RESULT_LIMIT], "result_size": size}
    if packed := text.get("exc_string"):
        traceback = _traceback(packed)
        error, _colon, message = traceback.strip().rpartition("\n")[2].partition(": ")
        facts |= {"error": error, "message": message, "traceback": traceback}
    return facts


def _result(packed: str) -> str:
    """Return a result as JSON, "" for one that a stock worker pickled."""
    try:
        text = base64.b64decode(packed).decode()
        json.loads(text)
    except ValueError:
        return ""
    return text


def _traceback(packed: str) -> str:
    try:
        unpacked = zlib.decompressobj().decompress(base64.b64decode(packed), 100_000)
    except (ValueError, zlib.error):
        return ""
    return unpacked.decode("utf-8", "replace")


def _seconds(text: str) -> str:
    moment: datetime | None = parse_date(text)
    return f"{moment.timestamp():.6f}" if moment else ""


def _flat(facts: Facts) -> list[Value]:
    return [word for pair in facts.items() for word in pair]


def _portions(
    jobs: Sequence[tuple[str, str, str]], size: int
) -> list[Sequence[tuple[str, str, str]]]:
    return [jobs[start : start + size] for start in range(0, len(jobs), size)]
