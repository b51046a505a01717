"""manage.py doctor: what is wrong with this installation, and the way out."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from tasks.checks import Level
from tasks.management.terminal import FAILED, printable, to_json
from tasks.server_checks import examine
from tasks.text import gettext as _


class Command(BaseCommand):
    help = _(
        "Look at Redis, the database and every process; ends with 1 if any is bad."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json",
            action="store_true",
            help=_("print a line of JSON for each finding"),
        )

    def handle(self, **options: Any) -> None:
        levels = set()
        for found in examine():
            levels.add(found.level)
            if options["json"]:
                self.stdout.write(to_json(asdict(found)))
            else:
                self.stdout.write(f"{found.level.upper():8} {printable(found.text)}")
        if Level.BAD in levels:
            sys.exit(FAILED)
