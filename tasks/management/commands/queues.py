"""manage.py queues: what each queue holds; and pausing and resuming one."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from tasks.broker.snapshot import read_snapshot
from tasks.management.terminal import command_errors, short, table, to_json
from tasks.models import Pause
from tasks.pauses import LONGEST_PAUSE, Decision, pause_queue, resume_queue
from tasks.policy import cli_actor
from tasks.reports import QueueRow, read_queues
from tasks.text import gettext as _

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Command(BaseCommand):
    help = _("List queues with what they hold; pause one, or resume it.")
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help=_("print a line of JSON for each queue")
        )
        verbs = parser.add_subparsers(dest="verb", metavar="pause|resume")
        pause = verbs.add_parser("pause", help=_("let no job of a queue start"))
        pause.add_argument("name", metavar="NAME")
        pause.add_argument("--reason", metavar="TEXT", default="")
        pause.add_argument(
            "--for",
            dest="until",
            type=_span,
            metavar="15m|1h|2d",
            help=_("resume by itself after so long"),
        )
        resume = verbs.add_parser("resume", help=_("let jobs of a queue start again"))
        resume.add_argument("name", metavar="NAME")

    def handle(self, **options: Any) -> None:
        with command_errors():
            match options["verb"]:
                case "pause":
                    reason, until = options["reason"], options["until"]
                    self._tell(
                        pause_queue(
                            cli_actor(), options["name"], reason=reason, until=until
                        )
                    )
                case "resume":
                    self._tell(resume_queue(cli_actor(), options["name"]))
                case _:
                    self._list(as_json=options["json"])

    def _tell(self, decision: Decision) -> None:
        out = self.stdout if decision.is_told else self.stderr
        out.write(decision.sentence)

    def _list(self, *, as_json: bool) -> None:
        now = timezone.now()
        rows = read_queues(read_snapshot(), now)
        as_lines = (to_json(_facts(row)) for row in rows)
        for line in as_lines if as_json else _as_table(rows, now):
            self.stdout.write(line)


def _span(text: str) -> timedelta:
    found = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text)
    span = timedelta(**{UNITS[found[2]]: int(found[1])}) if found else LONGEST_PAUSE * 2
    if span > LONGEST_PAUSE:
        raise ArgumentTypeError(_("write a time like 30s, 15m, 1h or 2d"))
    return span


def _facts(row: QueueRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "waiting": row.depth.waiting,
        "running": row.depth.running,
        "scheduled": row.scheduled,
        "deferred": row.depth.deferred,
        "workers": row.live_workers,
        "oldest_wait": row.oldest_wait.total_seconds() if row.oldest_wait else None,
        "paused": _pause_facts(row.pause) if row.pause else None,
    }


def _pause_facts(pause: Pause) -> dict[str, Any]:
    return {
        "reason": pause.reason,
        "by": pause.actor,
        "since": pause.created_at,
        "until": pause.until,
    }


def _as_table(rows: list[QueueRow], now: datetime) -> list[str]:
    if not rows:
        return [_("No queues.")]
    heads = ("QUEUE", "WAITING", "RUNNING", "SCHEDULED", "BLOCKED", "WORKERS", "OLDEST")
    return list(table((*heads, ""), [_cells(row, now) for row in rows]))


def _cells(row: QueueRow, now: datetime) -> tuple[str, ...]:
    return (
        row.name,
        f"{row.depth.waiting:,}",
        f"{row.depth.running:,}",
        f"{row.scheduled:,}",
        f"{row.depth.deferred:,}",
        str(row.live_workers),
        short(row.oldest_wait),
        _describe(row.pause, now) if row.pause else "",
    )


def _describe(pause: Pause, now: datetime) -> str:
    """Return "paused by mara, 5 min left: deploy"."""
    said = _("paused by %(who)s") % {"who": pause.actor}
    if pause.until:
        left = _("%(time)s left") % {"time": short(pause.until - now)}
        said = f"{said}, {left}"
    return f"{said}: {pause.reason}" if pause.reason else said
