"""django-rq's commands, made to fit: they ignore the serializer that a queue names."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _
from django_rq.management.commands import rqworker

# django-rq names this one with a hyphen, which no import statement can say.
rqworker_pool: Any = import_module("django_rq.management.commands.rqworker-pool")


def _queue_serializer() -> str:
    serializer: str = settings.RQ_QUEUES["default"]["SERIALIZER"]
    return serializer


class RqWorkerCommand(rqworker.Command):
    """A stock worker that reads the jobs of our queues."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)  # type: ignore[no-untyped-call]
        parser.set_defaults(serializer=_queue_serializer())


class RqWorkerPoolCommand(rqworker_pool.Command):  # type: ignore[misc]
    """A pool of stock workers that read the jobs of our queues."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(serializer=_queue_serializer())


class RqSchedulerCommand(BaseCommand):
    """Stands in for rq-scheduler's loop, which would release our delayed jobs twice."""

    help = _("Refused: Taskyard's own scheduler serves rq-scheduler's jobs.")
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        raise CommandError(
            _(
                "rqscheduler does not run beside Taskyard: it would move the same"
                " delayed jobs. Start `manage.py scheduler` instead; jobs that stock"
                " clients scheduled are released by it too."
            )
        )
