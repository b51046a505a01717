"""manage.py jobs: the newest jobs, as a table or as lines of JSON."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from tasks.job_reports import JobRow, find_jobs, read_rows
from tasks.management.terminal import (
    BAD_INPUT,
    command_errors,
    short,
    table,
    to_json,
)
from tasks.states import State
from tasks.text import gettext as _

#: Rows that one call prints at most; more is what the pages and REST are for.
MOST_ROWS = 10_000


class Command(BaseCommand):
    help = _("List jobs, the newest first.")
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        states = [state.value for state in State]
        parser.add_argument("--state", choices=states, metavar="STATE")
        parser.add_argument("--task", metavar="NAME", default="")
        parser.add_argument("--queue", metavar="NAME", default="")
        parser.add_argument("--limit", type=int, metavar="N", default=20)
        parser.add_argument(
            "--json", action="store_true", help=_("print a line of JSON for each job")
        )

    def handle(self, **options: Any) -> None:
        if not 1 <= options["limit"] <= MOST_ROWS:
            most = f"{MOST_ROWS:,}"
            raise CommandError(
                _("--limit: must lie between 1 and %(most)s.") % {"most": most},
                returncode=BAD_INPUT,
            )
        state = State(options["state"]) if options["state"] else None
        with command_errors():
            jobs = find_jobs(state=state, task=options["task"], queue=options["queue"])
            rows = read_rows(jobs, limit=options["limit"])
        as_json = (to_json(asdict(row)) for row in rows)
        lines = as_json if options["json"] else _as_table(rows)
        for line in lines:
            self.stdout.write(line)


def _as_table(rows: list[JobRow]) -> list[str]:
    if not rows:
        return [_("No jobs.")]
    now = timezone.now()
    heads = ("ID", "TASK", "QUEUE", "STATE", "AGE", "RAN", "")
    return list(table(heads, [_cells(row, now) for row in rows]))


def _cells(row: JobRow, now: datetime) -> tuple[str, ...]:
    return (
        row.id,
        row.task,
        row.queue,
        row.state,
        short(now - row.created_at),
        short(row.ran(now)),
        row.error or row.call,
    )
