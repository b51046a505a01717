from __future__ import annotations

import os
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import gettext as _

from tasks.broker.current import serve_current_job
from tasks.conf import NO_LEDGER, get_config
from tasks.options import QUEUE_NAME
from tasks.registry import DEFAULT_QUEUE, registry
from tasks.sizes import parse_size
from tasks.worker.children import MEMORY_LIMIT
from tasks.worker.context import current_job
from tasks.worker.limits import Limits
from tasks.worker.logs import capture_logging
from tasks.worker.loop import DEFAULT_GRACE, Worker
from tasks.worker.process import run_to_end


class Command(BaseCommand):
    help = _("Run jobs. Needs only REDIS_URL and TASKYARD_TASKS.")
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--queues",
            help=_("Queues by falling priority, comma-separated (those of all tasks)."),
        )
        parser.add_argument(
            "--concurrency",
            type=int,
            default=1_000,
            help=_("How many coroutines run at once (1000)."),
        )
        parser.add_argument(
            "--children",
            type=int,
            default=4,
            help=_("How many sync functions run at once, each in its process (4)."),
        )
        parser.add_argument(
            "--grace",
            type=float,
            default=DEFAULT_GRACE,
            help=_("Seconds that running jobs get to end when the worker stops (10)."),
        )
        parser.add_argument(
            "--child-memory",
            type=int,
            default=MEMORY_LIMIT >> 20,
            help=_("MB that a child may hold after a job, else it is replaced (512)."),
        )
        parser.add_argument(
            "--child-jobs",
            type=int,
            default=0,
            help=_("Jobs after which a child is replaced (0: never for their number)."),
        )
        parser.add_argument(
            "--job-memory",
            metavar="SIZE",
            type=_size,
            default=0,
            help=_("What a function may hold, e.g. 512M, or is killed (0: any)."),
        )
        parser.add_argument(
            "--job-output",
            metavar="SIZE",
            type=_size,
            default=0,
            help=_("What a job may print and log, e.g. 64M, or is ended (0: any)."),
        )
        parser.add_argument(
            "--spool",
            metavar="DIR",
            type=Path,
            help=_("Where ends of jobs wait when Redis is away (the data folder)."),
        )
        parser.add_argument("--name", default="", help=_("A unique name (made up)."))

    def handle(self, **options: Any) -> None:
        if not get_config().database_url:
            os.environ[NO_LEDGER] = "1"
        worker = Worker(
            queues=_queues(options["queues"]),
            concurrency=_at_least("--concurrency", options["concurrency"], 0),
            children=_at_least("--children", options["children"], 0),
            grace=_at_least("--grace", options["grace"], 0),
            child_memory=_at_least("--child-memory", options["child_memory"], 1) << 20,
            child_jobs=_at_least("--child-jobs", options["child_jobs"], 0),
            limits=Limits(options["job_memory"], options["job_output"]),
            data=options["spool"] or get_config().taskyard_data,
            name=options["name"],
        )
        capture_logging()
        serve_current_job(current_job)
        run_to_end(worker)


def _queues(listed: str | None) -> list[str]:
    if listed is None:
        return sorted(
            {DEFAULT_QUEUE, *(task.queue for task in registry)},
            key=lambda queue: (queue != DEFAULT_QUEUE, queue),
        )
    queues = [queue.strip() for queue in listed.split(",") if queue.strip()]
    wrong = [queue for queue in queues if not QUEUE_NAME.match(queue)]
    if wrong or not queues:
        raise CommandError(
            _("--queues: %(name)r is not the name of a queue.")
            % {"name": wrong[0] if wrong else listed}
        )
    return list(dict.fromkeys(queues))


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError:
        raise ArgumentTypeError(
            _("%(size)s is no size: give bytes, or text such as 512M.") % {"size": text}
        ) from None


def _at_least(option: str, value: float, least: float) -> Any:
    if value < least:
        raise CommandError(
            _("%(option)s must be at least %(least)s.")
            % {"option": option, "least": least}
        )
    return value
