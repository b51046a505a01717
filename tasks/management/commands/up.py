from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _

from tasks.conf import get_config
from tasks.supervisor.console import Console
from tasks.supervisor.options import (
    Options,
    parse_address,
    parse_port,
    parse_seconds,
    parse_workers,
)
from tasks.supervisor.run import Installation


class Command(BaseCommand):
    help = _(
        "Run all of Taskyard on this machine: pages, workers, scheduler, recorder."
    )
    # They import every page; the web process does that anyway.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("--port", type=parse_port, default=8000, help=_("port of the pages"))
        add("--host", default="127.0.0.1", help=_("address of the pages"))
        # Read by manage.py before the settings; here for --help and for the check.
        add("--data", metavar="DIR", help=_("folder that everything is kept in"))
        add("--workers", type=parse_workers, default=2, metavar="N")
        add(
            "--grace",
            type=parse_seconds,
            default=10.0,
            metavar="SECONDS",
            help=_("how long running jobs may take to end when everything stops"),
        )
        add("--demo", action="store_true", help=_("keep the built-in tasks busy"))
        add(
            "--redis-listen",
            type=parse_address,
            metavar="HOST:PORT",
            help=_("let other machines reach the embedded Valkey, with a password"),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = {name: options[name] for name in Options.__dataclass_fields__}
        installation = Installation(
            Options(**chosen), get_config(), Console(sys.stdout)
        )
        code = installation.run()
        if code:
            sys.exit(code)
