from __future__ import annotations

import signal
import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connections
from django.utils.translation import gettext as _

from tasks.patience import wait_as_a_loop
from tasks.scheduler import Scheduler


class Command(BaseCommand):
    help = _("Release delayed jobs, take back those of dead workers, tidy up.")

    def handle(self, **options: Any) -> None:
        wait_as_a_loop()
        connections.close_all()  # those of checks: a forked process must not have them
        scheduler = Scheduler()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_args: scheduler.stopping.set())
        if not scheduler.run():
            sys.exit(1)
