"""Which processes `manage.py up` runs, and with what in their environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from enum import IntEnum
from urllib.parse import quote

from django.db import connections

from tasks import recovery
from tasks.broker.embedded import EmbeddedServer
from tasks.conf import PROJECT_ROOT, Config, load_secret_key
from tasks.demo import QUEUES as DEMO_QUEUES
from tasks.registry import DEFAULT_QUEUE, registry
from tasks.supervisor.options import Options
from tasks.supervisor.program import Program

#: Seconds that open connections, such as live pages, may take to end.
WEB_GRACE = 3

#: Seconds that a process may take beyond the grace of what runs in it.
MARGIN = 5.0

#: What Valkey says at every start that a user of an embedded one need not act on.
VALKEY_SMALL_TALK = ("Memory overcommit must be enabled", "Reading config from stdin")

Words = tuple[str, ...]


def child_environment(
    config: Config, redis_url: str, *, demo: bool = False
) -> dict[str, str]:
    """Return the environment of every process; secrets travel here, not on argv.

    The demo checks Taskyard's own pages, which are on a private address.
    """
    ledger = quote(str(config.taskyard_data / "taskyard.sqlite3"))
    allowed = {"TASKYARD_PRIVATE_URLS": "1"} if demo else {}
    return {
        **allowed,
        **os.environ,
        "DATABASE_URL": config.database_url or f"sqlite:///{ledger}",
        "PYTHONUNBUFFERED": "1",
        "REDIS_URL": redis_url,
        "SECRET_KEY": load_secret_key(),
        "TASKYARD_DATA": str(config.taskyard_data),
    }


def valkey_program(server: EmbeddedServer) -> Program:
    return Program(
        "valkey",
        server.command(),
        stdin=server.stdin,
        grace=2 * MARGIN,
        stage=Stage.VALKEY,
        hidden=VALKEY_SMALL_TALK,
    )


class Stage(IntEnum):
    """In which order the programs stop: from the last to the first."""

    VALKEY = 0
    #: After the workers, so that it records how their jobs ended.
    RECORDER = 1
    WORKERS = 2
    SCHEDULER = 3
    WEB = 4
    DEMO = 5


def all_programs(options: Options, environment: Mapping[str, str]) -> list[Program]:
    """Return every program but Valkey, in the order of their start."""
    margin, grace = MARGIN, options.grace + MARGIN
    web_grace = WEB_GRACE + MARGIN
    web = Program("web", _uvicorn(options), environment, b"", web_grace, Stage.WEB)

    def managed(name: str, words: Words, grace: float, stage: Stage) -> Program:
        command = (sys.executable, str(PROJECT_ROOT / "manage.py"), *words)
        return Program(name, command, environment, b"", grace, stage)

    made = [web, managed("recorder", ("recorder",), margin, Stage.RECORDER)]
    for number in range(1, options.workers + 1):
        words = _worker(options)
        worker = managed(f"worker-{number}", words, grace, Stage.WORKERS)
        made.append(replace(worker, ended=_report_death))
    made.append(managed("scheduler", ("scheduler",), margin, Stage.SCHEDULER))
    if options.demo:
        words = ("demo", "--page", options.base_url)
        made.append(managed("demo", words, margin, Stage.DEMO))
    return made


def _report_death(start: str) -> None:
    """Let the jobs of a worker that ended without a word start elsewhere at once."""
    try:
        recovery.report_death(start)
    finally:
        connections.close_all()  # those of this thread


def _worker(options: Options) -> Words:
    words = ("worker", "--grace", f"{options.grace:g}")
    if not options.demo:
        return words
    queues = sorted({DEFAULT_QUEUE, *(task.queue for task in registry)})
    return (*words, "--queues", ",".join(dict.fromkeys([*DEMO_QUEUES, *queues])))


def _uvicorn(options: Options) -> Words:
    """Return the web server's command line.

    -P and --app-dir keep the working folder behind Taskyard's own modules.
    """
    server = (sys.executable, "-P", "-m", "uvicorn", "dashboard.asgi:application")
    place = ("--app-dir", str(PROJECT_ROOT), "--host", options.host)
    manner = ("--lifespan", "off", "--no-access-log", "--log-level", "warning")
    grace = ("--timeout-graceful-shutdown", str(WEB_GRACE))
    return (*server, *place, "--port", str(options.port), *manner, *grace)
