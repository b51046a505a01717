"""manage.py calendars: days off and make-up working days that schedules keep to."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tasks.errors import InvalidOption
from tasks.management.terminal import (
    add_json_option,
    command_errors,
    printable,
    table,
    to_json,
)
from tasks.policy import cli_actor
from tasks.schedules.calendar_reports import CalendarRow, get_calendar, read_calendars
from tasks.schedules.calendars import MOST_BYTES, Days
from tasks.schedules.keeping import delete_calendar, save_calendar
from tasks.text import gettext as _
from tasks.text import gettext_noop

_JSON = gettext_noop("print a line of JSON for each calendar")


class Command(BaseCommand):
    help = _("List calendars; add one from an ICS or JSON file, show or delete one.")
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.set_defaults(json=False)
        add_json_option(parser, _JSON)
        verbs = parser.add_subparsers(dest="verb", metavar="add|show|delete")
        add = verbs.add_parser("add", help=_("add a calendar, or replace its days"))
        add.add_argument("name", metavar="NAME")
        add.add_argument(
            "file",
            metavar="FILE",
            help=_("an ICS file, or JSON; - reads standard input"),
        )
        for verb, words in (
            ("show", _("list the days that it names")),
            ("delete", _("delete one that no schedule keeps to")),
        ):
            one = verbs.add_parser(verb, help=words)
            one.add_argument("name", metavar="NAME")
            if verb == "show":
                add_json_option(one, _JSON)

    def handle(self, **options: Any) -> None:
        with command_errors():
            match options["verb"]:
                case "add":
                    self._add(options["name"], options["file"])
                case "show":
                    self._show(options["name"], as_json=options["json"])
                case "delete":
                    delete_calendar(cli_actor(), options["name"])
                    text = _("Calendar %(name)s is deleted.")
                    self.stdout.write(text % {"name": options["name"]})
                case _:
                    self._list(as_json=options["json"])

    def _add(self, name: str, file: str) -> None:
        calendar = save_calendar(cli_actor(), name, _read(file))
        days = Days.from_json(calendar.days)
        text = _(
            "Calendar %(name)s is saved; days off: %(off)s, make-up working days:"
            " %(work)s."
        )
        counts = {"off": f"{len(days.off):,}", "work": f"{len(days.work):,}"}
        self.stdout.write(text % {"name": calendar.name, **counts})

    def _show(self, name: str, *, as_json: bool) -> None:
        calendar = get_calendar(name)
        if as_json:
            self.stdout.write(to_json({"name": calendar.name, **calendar.days}))
            return
        for line in _days(Days.from_json(calendar.days)):
            self.stdout.write(line)

    def _list(self, *, as_json: bool) -> None:
        rows = read_calendars()
        lines = (to_json(_facts(row)) for row in rows) if as_json else _as_table(rows)
        for line in lines:
            self.stdout.write(line)


def _read(name: str) -> bytes:
    most = MOST_BYTES + 1  # one more than allowed is refused
    try:
        if name == "-":
            return sys.stdin.buffer.read(most)
        with Path(name).open("rb") as file:
            return file.read(most)
    except OSError as error:
        problem = _("%(file)s cannot be read: %(reason)s")
        facts = {"file": name, "reason": error.strerror or error}
        raise InvalidOption("FILE", problem % facts) from error


def _days(days: Days) -> Iterator[str]:
    named = sorted({**days.off, **days.work})
    for day in named:
        sign = "+" if day in days.work else "-"
        yield printable(f"{sign} {day:%Y-%m-%d %a}  {days.why(day)}").rstrip()


def _facts(row: CalendarRow) -> dict[str, Any]:
    return {
        "name": row.calendar.name,
        "off": len(row.days.off),
        "work": len(row.days.work),
        "last_day": row.last_day,
        "schedules": row.schedules,
        "changed_at": row.calendar.changed_at,
        "changed_by": row.calendar.changed_by,
    }


def _as_table(rows: tuple[CalendarRow, ...]) -> Iterator[str]:
    if not rows:
        yield _("No calendars.")
        return
    heads = ("CALENDAR", "OFF", "WORK", "UNTIL", "SCHEDULES")
    yield from table(heads, [_cells(row) for row in rows])


def _cells(row: CalendarRow) -> tuple[str, ...]:
    return (
        row.calendar.name,
        f"{len(row.days.off):,}",
        f"{len(row.days.work):,}",
        f"{row.last_day:%Y-%m-%d}" if row.last_day else "-",
        f"{row.schedules:,}",
    )
