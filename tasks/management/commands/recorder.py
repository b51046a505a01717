from __future__ import annotations

import signal
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from tasks.patience import wait_as_a_loop
from tasks.recording import record_until


class Command(BaseCommand):
    help = _("Record what becomes of jobs into the database.")

    def handle(self, **options: Any) -> None:
        wait_as_a_loop()
        stopping = Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_args: stopping.set())
        record_until(stopping)
