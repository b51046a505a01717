from __future__ import annotations

import signal
import threading
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import gettext as _

from tasks.conf import get_config
from tasks.demo import Demo, recipes, write_long_log


class Command(BaseCommand):
    help = _("Keep the built-in tasks busy, so that the pages show a living board.")
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--page",
            default="http://127.0.0.1:8000",
            help=_("address of the pages, which the demo checks"),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        config = get_config()
        folder = config.taskyard_data / "demo"
        made = recipes(folder, options["page"], commands=config.taskyard_shell)
        write_long_log(folder)
        began_at = time.monotonic()
        demo = Demo(folder, made, lambda: time.monotonic() - began_at)
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
        while not ended.wait(demo.step()):
            pass
