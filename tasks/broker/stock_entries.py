"""Periodic entries of rq-scheduler, read for their import and taken out after it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tasks.broker import keys
from tasks.broker.client import broker_errors, get_client
from tasks.broker.periodic import find_periodic
from tasks.broker.pickled import peek_path
from tasks.broker.stock_loading import load_entries
from tasks.broker.wire import PayloadPickled, PayloadUnreadable, unpack_call
from tasks.text import gettext as _

#: Entries that one command reads.
PAGE = 1_000

_FIELDS = ("data", "meta", "origin", "timeout", "enqueue_at_front", "status")
_CALLBACKS = ("success_callback_name", "failure_callback_name", "dependency_ids")


@dataclass(frozen=True)
class StockEntry:
    """A job of rq-scheduler's that comes again and again."""

    id: str
    #: When it comes next, in Unix seconds.
    score: float
    queue: str = ""
    path: str = ""
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    #: Of rq-scheduler: cron_string, or interval in seconds; and repeat.
    meta: Mapping[str, Any] = field(default_factory=dict)
    timeout: str = ""
    at_front: bool = False
    #: Whether it has callbacks or waits for other jobs, which no schedule does.
    has_more: bool = False
    #: Why the call or the meta cannot be read, "" where they were.
    problem: str = ""

    @property
    def is_periodic(self) -> bool:
        return not self.meta.keys().isdisjoint(("interval", "cron_string"))


def read_entries(*, trust_pickle: bool) -> list[StockEntry]:
    """Return the periodic entries by their next moment.

    Those that are pickled are loaded, in a child process, only if they are to be trusted:
    loading one runs whatever its client wrote into it. Raises BrokerUnavailable.
    """
    found: list[StockEntry] = []
    pickled: dict[int, dict[str, Any]] = {}
    for job_id, score, raw in _raw_entries():
        entry, item = _read(job_id, score, raw)
        if item is not None and trust_pickle:
            pickled[len(found)] = item
        found.append(entry)
    answers = load_entries(list(pickled.values()))
    for place, answer in zip(pickled, answers, strict=True):
        found[place] = _loaded(found[place], answer)
    periodic = (entry for entry in found if entry.problem or entry.is_periodic)
    return sorted(periodic, key=lambda entry: (entry.score, entry.id))


def remove_entry(job_id: str) -> bool:
    """Take an entry out of rq-scheduler's set, and its job where that never ran.

    Says whether it was there. Raises BrokerUnavailable.
    """
    client: Any = get_client()
    with broker_errors():
        status = client.hget(keys.job(job_id), "status")
        # No transaction: a Redis that is full would refuse it whole.
        with client.pipeline(transaction=False) as pipeline:
            pipeline.zrem(keys.DELAYED, job_id)
            pipeline.zrem(keys.PERIODIC, job_id)
            if status == b"scheduled":
                pipeline.delete(keys.job(job_id))
            removed = pipeline.execute()[0]
    return bool(removed)


def _raw_entries() -> Iterator[tuple[str, float, dict[str, bytes]]]:
    client: Any = get_client()
    with broker_errors():
        members = list(dict(client.zscan_iter(keys.DELAYED, count=PAGE)))
    for start in range(0, len(members), PAGE):
        # A million delayed jobs may wait beside them: first what tells them apart.
        portion = members[start : start + PAGE]
        found = find_periodic([_text(member) for member in portion])
        hashes = _hashes(client, list(found), (*_FIELDS, *_CALLBACKS))
        for (job_id, score), raw in zip(found.items(), hashes, strict=True):
            yield job_id, score, raw


def _hashes(
    client: Any, job_ids: Sequence[str], names: Sequence[str]
) -> list[dict[str, bytes]]:
    with broker_errors(), client.pipeline(transaction=False) as pipeline:
        for job_id in job_ids:
            pipeline.hmget(keys.job(job_id), names)
        answers = pipeline.execute()
    return [
        {name: value or b"" for name, value in zip(names, values, strict=True)}
        for values in answers
    ]


def _read(
    job_id: str, score: float, raw: Mapping[str, bytes]
) -> tuple[StockEntry, dict[str, Any] | None]:
    """Return an entry, and what a child must load of it."""
    facts: dict[str, Any] = {
        "id": job_id,
        "score": score,
        "queue": _text(raw["origin"]),
        "timeout": _text(raw["timeout"]),
        "at_front": raw["enqueue_at_front"] == b"1",
        "has_more": any(raw[name] for name in _CALLBACKS),
    }
    try:
        path, args, kwargs = unpack_call(raw["data"])
        meta = dict(json.loads(raw["meta"]))
    except PayloadPickled as error:
        problem = _("is pickled: give --trust-pickle if you trust who wrote it")
        entry = StockEntry(**facts, path=peek_path(error.pickled), problem=problem)
        return entry, {"data": _encoded(error.pickled), "meta": _encoded(raw["meta"])}
    except (PayloadUnreadable, ValueError, TypeError) as error:
        return StockEntry(**facts, problem=str(error)), None
    return StockEntry(**facts, path=path, args=args, kwargs=kwargs, meta=meta), None


def _loaded(entry: StockEntry, answer: Mapping[str, Any]) -> StockEntry:
    facts = {name: getattr(entry, name) for name in _KEPT}
    if "method" in answer:
        problem = _("calls a method of an object, which no task is")
        return StockEntry(**facts, path=answer["method"], problem=problem)
    if "error" in answer:
        return StockEntry(**facts, path=entry.path, problem=answer["error"])
    return StockEntry(**facts, **answer)


_KEPT = ("id", "score", "queue", "timeout", "at_front", "has_more")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()
