"""One installation in a scratch folder: its servers, its processes, its ledger.

This process submits and looks as any client does: Django is set up in it once, on the
yard's own Redis and ledger, so one process has one yard.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import redis

from benchmarks.faults import journal
from benchmarks.faults.programs import Program
from benchmarks.faults.redis_server import RedisServer
from benchmarks.harness import wait_until
from benchmarks.servers import free_port, postgres_server
from tasks.broker import keys
from tasks.registry import Call

#: Seconds that a process may take to start on a machine that has much else to do.
START = 120

#: Jobs that one call of `submit` carries.
BULK = 500


@dataclass
class Yard:
    """What runs, and who was started when."""

    data: Path
    server: RedisServer
    environment: Mapping[str, str]
    programs: list[Program] = field(default_factory=list)
    _journal: journal.Journal = field(default_factory=journal.Journal.of_environment)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def start(self, name: str, *command: str, **environment: str) -> Program:
        """Start Python on `command`, in the yard's environment and what is named here."""
        known = {**self.environment, **environment}
        log = self.data / f"{name}.log"
        program = Program.start(name, command, known, log)
        self.programs.append(program)
        return program

    def manage(self, *words: str, **environment: str) -> Program:
        """Start a management command, e.g. `manage("scheduler")`."""
        name = f"{words[0]}-{next(self._numbers)}"
        return self.start(name, "manage.py", *words, **environment)

    def worker(self, *options: str, ready: bool = True, **environment: str) -> Program:
        """Start a worker under a name of its own; unless told otherwise, wait for it.

        It knows no ledger, as on a host of its own.
        """
        name = f"worker-{next(self._numbers)}"
        words = ("manage.py", "worker", "--name", name, *options)
        program = self.start(name, *words, **{"DATABASE_URL": "", **environment})
        if ready:
            self.wait_for_worker(program)
        return program

    def wait_for_worker(self, program: Program) -> None:
        """Return when a worker has said that it is there."""

        def is_there() -> bool:
            if not program.is_alive:
                raise ChildProcessError(f"{program.name} ended:\n{program.said()}")
            return bool(self.redis.exists(keys.worker(program.name)))

        wait_until(is_there, f"the start of {program.name}", START)

    def serve(self, *, schedulers: int = 1, recorders: int = 1) -> None:
        """Start what every installation has besides its workers."""
        for _number in range(schedulers):
            self.manage("scheduler")
        for _number in range(recorders):
            self.manage("recorder")

    def web(self, **environment: str) -> tuple[Program, str]:
        """Start the pages and the REST API; returns the process and its address.

        Whoever asks waits until it answers: a scenario may want to kill it before.
        """
        port = free_port()
        words = ("-m", "uvicorn", "dashboard.asgi:application", "--lifespan", "off")
        words += ("--host", "127.0.0.1", "--port", str(port), "--log-level", "warning")
        name = f"web-{next(self._numbers)}"
        return self.start(name, *words, **environment), f"http://127.0.0.1:{port}"

    @cached_property
    def redis(self) -> redis.Redis:
        """The yard's Redis, with redis-py's own patience and past any proxy."""
        return self.server.client()

    def submit(self, calls: Iterable[Call], **options: object) -> list[str]:
        """Submit calls by the one door, and note what was accepted; returns the ids."""
        from tasks import submit_many

        ids: list[str] = []
        pending = list(calls)
        for start in range(0, len(pending), BULK):
            some = pending[start : start + BULK]
            made = [handle.id for handle in submit_many(some, **options)]
            journal.accept(made)
            ids += made
        return ids

    def journal(self) -> journal.Journal:
        """Return what the tasks and the harness have written so far."""
        return self._journal.read_on()

    def living(self, kind: str) -> list[Program]:
        """Return the processes of a kind (worker, scheduler, …) that run."""
        return [p for p in self.programs if p.is_alive and p.name.startswith(kind)]

    def complaints(self) -> str:
        """Return what the processes printed last, for whoever has to find a fault."""
        said = ((program.name, program.said()) for program in self.programs)
        return "\n".join(f"--- {name}\n{text}" for name, text in said if text)

    def end(self) -> None:
        """End every process as a deployment does: workers first, the recorder last."""
        order = {"worker": 0, "scheduler": 1, "web": 1, "recorder": 2}
        for program in sorted(
            self.programs, key=lambda p: order.get(p.name.partition("-")[0], 0)
        ):
            if program.is_alive:
                program.end()


@contextmanager
def open_yard(
    database: str = "sqlite", server: str = "valkey", **settings: str
) -> Iterator[Yard]:
    """Make a yard with a migrated, empty ledger; `settings` go to every process of it.

    Nothing is left behind at the end.
    """
    with ExitStack() as stack:
        name = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="taskyard-faults-")
        )
        data = Path(name)
        url = f"sqlite:///{quote(str(data / 'taskyard.sqlite3'))}"
        if database == "postgres":
            url = stack.enter_context(postgres_server(data / "postgres"))
        broker = RedisServer(data / "redis", server)
        stack.callback(broker.kill)
        broker.start()
        _settle_in(data, broker.url, url, settings)
        stack.callback(_disconnect)
        yard = Yard(data, broker, dict(os.environ))
        stack.callback(_kill_all, yard)
        yield yard


def _settle_in(
    data: Path, redis_url: str, database_url: str, settings: Mapping[str, str]
) -> None:
    for setting in [name for name in os.environ if name.startswith("TASKYARD_")]:
        del os.environ[setting]
    os.environ |= {
        "REDIS_URL": redis_url,
        "DATABASE_URL": database_url,
        "SECRET_KEY": "only-for-scenarios-" + "x" * 40,
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        "PYTHONUNBUFFERED": "1",
        "TASKYARD_DATA": str(data),
        "TASKYARD_TASKS": "benchmarks.faults.jobs",
        "TASKYARD_LANGUAGE": "en",
        journal.RUNS: str(data / "runs"),
        journal.ACCEPTED: str(data / "accepted"),
        **settings,
    }
    # Django reads the environment when it is imported.
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _disconnect() -> None:
    from django.db import connections

    connections.close_all()


def _kill_all(yard: Yard) -> None:
    for program in yard.programs:
        if program.is_alive:
            program.kill()
