"""Schedules of other systems as definitions: crontab files, rq-scheduler, rq's cron.

A definition maps fields of Schedule to values, `name` among them, which is what the
other system calls it: see `foreign_names`. Nothing is written here: what is found goes
to `transfer`, first as a dry run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from tasks.broker.stock_cron import read_cron_jobs
from tasks.broker.stock_entries import StockEntry, read_entries
from tasks.broker.stock_loading import load_cron_config
from tasks.errors import InvalidOption, TaskNotRegistered
from tasks.registry import registry
from tasks.schedules.choices import CRON, EVERY
from tasks.schedules.crontab import read_crontab
from tasks.schedules.foreign_crons import from_croniter, from_crontab
from tasks.schedules.problems import Problem
from tasks.text import gettext as _

T = TypeVar("T")

#: What rq writes for arguments that JSON cannot hold.
_NO_JSON = "<not JSON serializable>"

#: What Python raises for a number or a moment that is none, or too large.
_NO_NUMBERS = (ValueError, TypeError, OverflowError, OSError)

#: Characters of such a number that are told.
_SHOWN = 30

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


@dataclass(frozen=True)
class Found:
    """Something that another system runs by a schedule, and what it would be here."""

    #: Where it was found, for people: a line, an id.
    source: str
    definition: Mapping[str, Any] | None = None
    #: What will not be as it was, in sentences.
    notes: tuple[str, ...] = ()
    #: Why it cannot be a schedule, "" where it can.
    problem: str = ""
    #: The entry of rq-scheduler that goes when the schedule is saved.
    entry_id: str = ""


def find_in_crontab(text: str, *, system: bool, zone: str) -> list[Found]:
    """Return the entries of a crontab file in order; `zone` is that of its machine."""
    found = []
    for one in read_crontab(text, system=system, zone=zone):
        if isinstance(one, Problem):
            found.append(
                Found(_("line %(line)s") % {"line": one.line}, problem=one.reason)
            )
            continue
        when = {"kind": CRON, "expression": one.expression, "zone": one.zone}
        source = _("line %(line)s") % {"line": one.line}
        definition = {"name": one.name, **one.call, **when}
        found.append(Found(source, definition, tuple(one.notes)))
    return found


def find_in_rq_scheduler(*, trust_pickle: bool, zone: str) -> list[Found]:
    """Return rq-scheduler's periodic entries, by their next moment.

    `zone` is that of the process which ran them: rq-scheduler reads cron expressions in
    it. Raises BrokerUnavailable.
    """
    entries = read_entries(trust_pickle=trust_pickle)
    return [_read_entry(entry, zone) for entry in entries]


def find_in_rq_cron(config: str = "") -> list[Found]:
    """Return the jobs of rq's cron, django-rq's `rqcron`: those of the schedulers that
    run now, or of a configuration (a module, or a file), which is loaded in a child.

    Raises BrokerUnavailable.
    """
    path = str(Path(config).absolute()) if config.endswith(".py") else config
    jobs = load_cron_config(path) if config else read_cron_jobs()
    return [_read_cron_job(job) for job in jobs]


def machine_zone() -> str:
    """Return the zone of this machine's clock, as crontabs are read in; else UTC."""
    place = Path("/etc/localtime").resolve().as_posix()
    if "/zoneinfo/" in place:
        return place.partition("/zoneinfo/")[2]
    try:
        return Path("/etc/timezone").read_text().strip() or "UTC"
    except OSError:
        return "UTC"


# rq-scheduler.


def _read_entry(entry: StockEntry, zone: str) -> Found:
    found = Found(_source(entry), entry_id=entry.id)
    if entry.problem:
        return replace(found, problem=entry.problem)
    try:
        definition = {
            "name": _name_of(entry),
            **_call(entry.path, entry.args, entry.kwargs),
            **_moments_of(entry, zone),
            "queue": entry.queue,
            "timeout": _read("timeout", entry.timeout, int) if entry.timeout else None,
            "at_front": entry.at_front,
        }
    except (InvalidOption, TaskNotRegistered, *_NO_NUMBERS) as error:
        return replace(found, problem=str(error))
    return replace(found, definition=definition, notes=tuple(_entry_notes(entry)))


def _source(entry: StockEntry) -> str:
    return f"{entry.id} {entry.path}".strip()


def _name_of(entry: StockEntry) -> str:
    """Return the id that somebody chose, else the function with some of the id."""
    return f"{entry.path} {entry.id[:8]}" if _UUID.match(entry.id) else entry.id


def _moments_of(entry: StockEntry, zone: str) -> dict[str, Any]:
    meta, moments = entry.meta, dict[str, Any]()
    if meta.get("cron_string"):
        expression = from_crontab(str(meta["cron_string"]))
        moments = {"kind": CRON, "expression": expression, "zone": zone}
    else:
        every = _read("interval", meta["interval"], float)
        first = _read("score", entry.score, _moment)
        moments = {"kind": EVERY, "every": every, "starts_at": first}
    if meta.get("repeat") is not None:
        moments["most_fires"] = max(1, _read("repeat", meta["repeat"], int))
    return moments


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _entry_notes(entry: StockEntry) -> list[str]:
    notes = []
    if entry.has_more:
        notes.append(_("Its callbacks and the jobs that it waits for are left out."))
    return notes


# rq's cron.


def _read_cron_job(job: Mapping[str, Any]) -> Found:
    source = str(job.get("name") or job.get("func_name") or "rqcron")
    if "error" in job:
        return Found(source, problem=str(job["error"]))
    try:
        definition = {
            "name": source,
            **_call(
                str(job["func_name"]), _written(job, "args"), _written(job, "kwargs")
            ),
            **_moments_of_job(job),
            "queue": str(job.get("queue_name") or ""),
            "timeout": job.get("job_timeout"),
        }
    except (InvalidOption, TaskNotRegistered, KeyError, *_NO_NUMBERS) as error:
        return Found(source, problem=str(error))
    notes = [_("Stop its rqcron, or both will run it.")]
    if job.get("webhooks"):
        notes.append(_("Its webhooks are left out."))
    return Found(source, definition, tuple(notes))


def _written(job: Mapping[str, Any], field: str) -> Any:
    """Return arguments that rq has written as JSON within the JSON."""
    text = job.get(field)
    if text == _NO_JSON:
        raise InvalidOption(field, _("JSON cannot hold them: make it by hand"))
    return json.loads(text) if text else None


def _moments_of_job(job: Mapping[str, Any]) -> dict[str, Any]:
    if job.get("cron"):
        expression = from_croniter(str(job["cron"]))
        return {"kind": CRON, "expression": expression, "zone": "UTC"}
    return {"kind": EVERY, "every": _read("interval", job.get("interval"), float)}


# Both.


def _read(field: str, value: Any, convert: Callable[[Any], T]) -> T:
    """Return a number or a moment as it is kept here. Raises InvalidOption."""
    try:
        return convert(value)
    except _NO_NUMBERS as error:
        problem = _("%(value)s is no number, or one that is too large or too small")
        raise InvalidOption(field, problem % {"value": str(value)[:_SHOWN]}) from error


def _call(path: str, args: Any, kwargs: Any) -> dict[str, Any]:
    """Return the task at a function's path with its arguments.

    Raises TaskNotRegistered for a function that nobody made one.
    """
    task = registry.get(path)
    return {"task": task.name, "args": list(args or ()), "kwargs": dict(kwargs or {})}
