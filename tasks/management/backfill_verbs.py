"""`manage.py schedules backfill …`: running moments of a schedule's past after all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.core.management.base import CommandParser

from tasks.management.schedule_options import read_moment
from tasks.management.terminal import table
from tasks.models import Backfill
from tasks.models.backfill import BackfillState, Reprocess
from tasks.policy import Actor, cli_actor
from tasks.schedules import backfill
from tasks.schedules.backfill_reports import BackfillRow, read_backfills
from tasks.schedules.reports import get_schedule
from tasks.text import gettext as _
from tasks.text import gettext_noop

TURNS: dict[str, Callable[[Actor, int], Backfill]] = {
    "pause": backfill.pause,
    "go-on": backfill.go_on,
    "abort": backfill.abort,
}

HELP = {
    "pause": gettext_noop("submit no more of a backfill until it goes on"),
    "go-on": gettext_noop("let a paused backfill go on"),
    "abort": gettext_noop(
        "submit no more of a backfill, and cancel its jobs that wait"
    ),
}


def add_backfill_verbs(parser: CommandParser) -> None:
    verbs = parser.add_subparsers(
        dest="act", metavar="start|list|pause|go-on|abort", required=True
    )
    start = verbs.add_parser("start", help=_("run the moments of a range"))
    start.add_argument("name", metavar="NAME")
    start.add_argument("first_at", metavar="FROM", help=_("such as 2026-01-31T09:00"))
    start.add_argument("last_at", metavar="UNTIL", help=_("not included"))
    start.add_argument("--reprocess", choices=Reprocess.values, default=Reprocess.NONE)
    start.add_argument("--newest-first", action="store_true")
    start.add_argument("--at-once", type=int, default=1, metavar="N")
    start.add_argument(
        "--dry-run", action="store_true", help=_("only list what would run")
    )
    listing = verbs.add_parser("list", help=_("list the newest of a schedule"))
    listing.add_argument("name", metavar="NAME")
    for act, words in HELP.items():
        turn = verbs.add_parser(act, help=_(words))
        turn.add_argument("number", type=int, metavar="NUMBER")


def run_backfill(options: Mapping[str, Any]) -> Iterator[str]:
    """Do what is asked and yield what is to be told."""
    act = options["act"]
    if act == "start":
        yield from _start(options)
    elif act == "list":
        yield from _list(options["name"])
    else:
        turned = TURNS[act](cli_actor(), options["number"])
        yield _word(turned)


def _start(options: Mapping[str, Any]) -> Iterator[str]:
    schedule = get_schedule(options["name"])
    first_at, last_at = (
        read_moment(name, options[name], schedule.zone)
        for name in ("first_at", "last_at")
    )
    choice: dict[str, Any] = {
        "reprocess": options["reprocess"],
        "newest_first": options["newest_first"],
    }
    if not options["dry_run"]:
        at_once = options["at_once"]
        yield _word(
            backfill.create(
                cli_actor(), schedule, first_at, last_at, at_once=at_once, **choice
            )
        )
        return
    dry_run = backfill.dry_run(schedule, first_at, last_at, **choice)
    yield from (f"{moment.due_at:%Y-%m-%d %H:%M:%SZ}" for moment in dry_run.moments)
    text = _("%(total)s moments would run; %(left_out)s would not, they ran.")
    counts = {"total": f"{dry_run.total:,}", "left_out": f"{dry_run.left_out:,}"}
    yield text % counts


def _list(name: str) -> Iterator[str]:
    rows = [_cells(row) for row in read_backfills(get_schedule(name))]
    if not rows:
        yield _("No backfills.")
        return
    heads = ("NUMBER", "FROM", "UNTIL", "STATE", "DONE", "FAILED", "CANCELED", "OF")
    yield from table(heads, rows)


def _cells(row: BackfillRow) -> tuple[str, ...]:
    one = row.backfill
    return (
        str(one.pk),
        f"{one.first_at:%Y-%m-%d %H:%MZ}",
        f"{one.last_at:%Y-%m-%d %H:%MZ}",
        one.state,
        f"{row.done:,}",
        f"{row.failed:,}",
        f"{row.canceled:,}",
        f"{one.total:,}",
    )


def _word(one: Backfill) -> str:
    text = _("Backfill %(number)s is %(state)s.")
    return text % {"number": one.pk, "state": BackfillState(one.state).label}
