"""manage.py workers: who works and who is gone; and telling one what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tasks import worker_actions
from tasks.broker.breakers import OpenBreaker
from tasks.broker.snapshot import read_snapshot
from tasks.broker.workers import WorkerInfo
from tasks.loss_reports import LostWorker
from tasks.management.terminal import command_errors, short, table, to_json
from tasks.policy import Actor, cli_actor
from tasks.text import gettext as _
from tasks.text import gettext_noop
from tasks.worker_reports import Roster, WorkerRow, read_roster

ACTS: dict[str, Callable[[Actor, str], worker_actions.Told]] = {
    "quiet": worker_actions.quiet,
    "wake": worker_actions.wake,
    "stop": worker_actions.stop,
}

ACTS_ON_ALL: dict[str, Callable[[Actor], worker_actions.ToldAll]] = {
    "quiet": worker_actions.quiet_all,
    "wake": worker_actions.wake_all,
}

HELP = {
    "quiet": gettext_noop("let a worker take no more jobs"),
    "wake": gettext_noop("let a quiet worker take jobs again"),
    "stop": gettext_noop("let a worker end what it runs, and end"),
}


class Command(BaseCommand):
    help = _("List workers, also those lost within 24 hours; tell one what to do.")
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json",
            action="store_true",
            help=_("print a line of JSON for each worker"),
        )
        verbs = parser.add_subparsers(dest="verb", metavar="quiet|wake|stop")
        for verb, words in HELP.items():
            act = verbs.add_parser(verb, help=_(words))
            whom = act.add_mutually_exclusive_group(required=True)
            whom.add_argument("name", metavar="NAME", nargs="?")
            if verb in ACTS_ON_ALL:
                whom.add_argument("--all", action="store_true", help=_("tell them all"))

    def handle(self, **options: Any) -> None:
        with command_errors():
            if options["verb"] is None:
                self._list(as_json=options["json"])
            elif options.get("all"):
                self.stdout.write(ACTS_ON_ALL[options["verb"]](cli_actor()).sentence)
            else:
                told = ACTS[options["verb"]](cli_actor(), options["name"])
                self.stdout.write(told.sentence)

    def _list(self, *, as_json: bool) -> None:
        snapshot = read_snapshot()
        roster = read_roster(snapshot, snapshot.at)
        as_lines = _as_json(roster) if as_json else _as_tables(roster, snapshot.at)
        for line in as_lines:
            self.stdout.write(line)


def _as_json(roster: Roster) -> Iterator[str]:
    for row in roster.live or ():
        yield to_json(_facts(row))
    for loss in roster.lost:
        yield to_json(_loss_facts(loss))


def _facts(row: WorkerRow) -> dict[str, Any]:
    info = row.info
    return {
        "name": info.name,
        "host": info.host,
        "pid": info.pid,
        "queues": info.queues,
        "state": info.state,
        "quiet_since": info.quiet_since,
        "breakers": [_breaker_facts(breaker) for breaker in info.breakers],
        "running": info.running,
        "slots": info.concurrency,
        "last_heartbeat": info.last_heartbeat,
        "version": info.version,
        "lost": False,
    }


def _breaker_facts(breaker: OpenBreaker) -> dict[str, Any]:
    return {**vars(breaker), "every": breaker.every.total_seconds()}


def _loss_facts(loss: LostWorker) -> dict[str, Any]:
    return {
        "name": loss.worker,
        "host": loss.host,
        "pid": loss.pid,
        "queues": loss.queues,
        "running": loss.running,
        "slots": loss.slots,
        "last_seen_at": loss.last_seen_at,
        "noticed_at": loss.noticed_at,
        "noticed_by": loss.noticed_by,
        "returned_at": loss.returned_at,
        "jobs": loss.states,
        "lost": True,
    }


def _as_tables(roster: Roster, now: datetime) -> Iterator[str]:
    if roster.live:
        heads = ("WORKER", "STATE", "RUNNING", "SLOTS", "BEAT", "VERSION", "QUEUES")
        yield from table(heads, [_cells(row, now) for row in roster.live])
        yield from (
            _tell(row.info, one) for row in roster.live for one in row.info.breakers
        )
    else:
        yield _("No worker is running.")
    if roster.lost:
        yield ""
        gone = ("LOST", "SEEN", "NOTICED", "JOBS")
        yield from table(gone, [_loss_cells(loss, now) for loss in roster.lost])


def _tell(worker: WorkerInfo, breaker: OpenBreaker) -> str:
    text = _(
        "Task %(task)s failed %(failures)s times in a row on worker %(worker)s: its jobs"
        " wait, one is tried each %(every)s."
    )
    words = {"task": breaker.task, "failures": breaker.failures, "worker": worker.name}
    return text % {**words, "every": short(breaker.every)}


def _cells(row: WorkerRow, now: datetime) -> tuple[str, ...]:
    info = row.info
    silent = now - info.last_heartbeat if info.last_heartbeat else None
    return (
        info.name,
        _state(info),
        f"{info.running:,}",
        f"{info.concurrency:,}",
        short(silent),
        info.version.removeprefix("taskyard ")
        if info.is_ours
        else f"RQ {info.version}",
        ",".join(info.queues),
    )


def _state(info: WorkerInfo) -> str:
    """Return what RQ calls it, but for coroutines, which RQ does not count."""
    if info.is_quiet:
        return "quiet"
    return "busy" if info.running and info.state == "idle" else info.state


def _loss_cells(loss: LostWorker, now: datetime) -> tuple[str, ...]:
    seen = now - loss.last_seen_at if loss.last_seen_at else None
    return (loss.worker, short(seen), _noticed(loss), _fates(loss))


def _noticed(loss: LostWorker) -> str:
    """Return "17 s later (lease)"; "not yet" where nobody has."""
    if loss.noticed_at is None:
        return _("not yet")
    after = short(loss.noticed_after)
    words = {"time": after, "who": loss.noticed_by}
    return _("%(time)s later (%(who)s)") % words if after else f"({loss.noticed_by})"


def _fates(loss: LostWorker) -> str:
    """Return "2 finished, 1 queued" of the jobs that it held."""
    counts = (f"{number:,} {state or '?'}" for state, number in loss.states.items())
    said = ", ".join(counts) or "-"
    if not loss.returned_at:
        return said
    back = _("it answers again")
    return f"{said} ({back})"
