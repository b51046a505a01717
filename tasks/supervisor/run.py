"""The whole of `manage.py up`: checks, database, processes, banner, end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.core.management import call_command
from django.db import DatabaseError, connections

from tasks.broker.embedded import EmbeddedServer, find_server, start_error
from tasks.conf import Config
from tasks.errors import ConfigurationError
from tasks.supervisor import accounts, checks, programs
from tasks.supervisor.banner import banner
from tasks.supervisor.console import Console
from tasks.supervisor.folder import PAGES_NAME, REDIS_URL_NAME, held_folder, noted
from tasks.supervisor.options import Options, join_address, reachable_host
from tasks.supervisor.readiness import wait_for_page
from tasks.supervisor.supervisor import Supervisor
from tasks.text import gettext as _

#: Seconds between two looks at whether the embedded Valkey answers.
READY_INTERVAL = 0.02

#: Seconds that the pages have the machine for themselves at most: started all at once,
#: the processes take the processor from each other, and the first page comes last.
HEAD_START = 1.5


@dataclass
class Installation:
    """One data folder, with what runs on it."""

    options: Options
    config: Config
    console: Console

    def run(self) -> int:
        """Run everything until a signal asks for the end; return the exit code.

        Raises ConfigurationError, with nothing left running, for what cannot work.
        """
        folder, options = self.config.taskyard_data, self.options
        address = join_address(options.host, options.port)
        with held_folder(folder):
            self._check()
            self._prepare_database()
            with noted(folder, PAGES_NAME, address):
                return asyncio.run(self._supervise())

    def _check(self) -> None:
        options, config = self.options, self.config
        checks.check_address((options.host, options.port), "--host or --port")
        if config.redis_url and options.redis_listen:
            raise ConfigurationError(
                _("--redis-listen opens the embedded Valkey, which REDIS_URL replaces.")
            )
        if options.redis_listen:
            checks.check_address(options.redis_listen, "--redis-listen")
        if config.redis_url:
            checks.check_redis()
        else:
            find_server()
        checks.check_database(config)

    def _prepare_database(self) -> None:
        try:
            call_command("migrate", interactive=False, verbosity=0)
            accounts.ensure_groups()
        except DatabaseError as error:
            sentence = checks.database_problem(self.config, error)
            raise ConfigurationError(sentence) from error
        finally:
            connections.close_all()

    async def _supervise(self) -> int:
        supervisor = Supervisor(self.console)
        supervisor.watch_signals()
        server = self._embedded_server()
        try:
            with self._noted(server):
                if server:
                    await _start_valkey(supervisor, server)
                if not supervisor.stop_requested.is_set():
                    await self._run_processes(supervisor, server)
        finally:
            await supervisor.stop()
        return 1 if supervisor.was_killed else 0

    def _embedded_server(self) -> EmbeddedServer | None:
        if self.config.redis_url:
            return None
        return EmbeddedServer(self.config.taskyard_data, self.options.redis_listen)

    @contextmanager
    def _noted(self, server: EmbeddedServer | None) -> Iterator[None]:
        """Let other commands find the embedded Valkey while it runs."""
        if server is None:
            yield
            return
        with noted(self.config.taskyard_data, REDIS_URL_NAME, server.url):
            yield

    async def _run_processes(
        self, supervisor: Supervisor, server: EmbeddedServer | None
    ) -> None:
        """Start everything, the pages first, and return when the end is asked for."""
        options = self.options
        url = server.url if server else self.config.redis_url
        environment = programs.child_environment(self.config, url, demo=options.demo)
        web, *others = programs.all_programs(options, environment)
        await supervisor.start(web)
        address = (reachable_host(options.host), options.port)
        page = asyncio.create_task(wait_for_page(address))
        stop = asyncio.create_task(supervisor.stop_requested.wait())
        await _first_of(page, stop, within=HEAD_START)
        if not stop.done():
            await supervisor.start(*others)
        await _first_of(page, stop)
        page.cancel()
        if not stop.done():
            await self._announce(server)
        await stop

    async def _announce(self, server: EmbeddedServer | None) -> None:
        """Say where Taskyard is, now that it is there."""
        options = self.options
        credentials = await asyncio.to_thread(
            accounts.create_first_administrator, options.base_url
        )
        self.console.write(banner(options, self.config, server, credentials))


async def _first_of(
    one: asyncio.Task[Any], other: asyncio.Task[Any], within: float | None = None
) -> None:
    await asyncio.wait(
        {one, other}, timeout=within, return_when=asyncio.FIRST_COMPLETED
    )


async def _start_valkey(supervisor: Supervisor, server: EmbeddedServer) -> None:
    """Start the server and wait, however long, until it has loaded its log."""
    server.prepare()
    program = programs.valkey_program(server)
    await supervisor.start(program)
    while not supervisor.stop_requested.is_set() and not server.is_ready():
        if not supervisor.is_running(program.name):
            raise start_error(server.data)
        await asyncio.sleep(READY_INTERVAL)
