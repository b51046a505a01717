"""A Redis database and a ledger of one cut point's own: hundreds wait side by side."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import redis

from benchmarks.faults import journal
from benchmarks.faults.journal import Journal
from benchmarks.faults.redis_server import DATABASES
from benchmarks.faults.yard import Yard

#: The empty ledger that the others are copied from.
TEMPLATE = "template"


@dataclass(frozen=True)
class World:
    """What one process of ours knows of: its Redis, its ledger, its journal."""

    number: int
    folder: Path
    redis_url: str
    #: The name of the ledger as Django has it.
    database: str

    def enter(self, redis_url: str = "") -> None:
        """Have this process know of this world only, perhaps through a proxy."""
        from django.db import connection

        from tasks.broker.client import get_client
        from tasks.conf import get_config

        os.environ["REDIS_URL"] = redis_url or self.redis_url
        os.environ[journal.RUNS] = str(self.folder / "runs")
        os.environ[journal.ACCEPTED] = str(self.folder / "accepted")
        get_config.cache_clear()
        get_client.cache_clear()
        connection.close()
        connection.settings_dict["NAME"] = self.database

    def through(self, proxy_url: str) -> str:
        """Return the URL of this world's Redis behind a proxy."""
        path = urlsplit(self.redis_url).path
        return urlsplit(proxy_url)._replace(path=path).geturl()

    # What the invariants ask of a yard.

    @property
    def redis(self) -> redis.Redis:
        from tasks.broker.client import get_client

        return get_client()

    @property
    def environment(self) -> Mapping[str, str]:
        return os.environ

    def journal(self) -> Journal:
        return Journal.of_environment().read_on()


class Worlds:
    """Makes worlds within a yard, each with an empty ledger that is migrated."""

    def __init__(self, yard: Yard) -> None:
        self._yard = yard
        #: Numbers of Redis' databases that no world has now; the yard has 0.
        self._free = set(range(1, DATABASES))
        self._is_postgres = "postgres" in yard.environment["DATABASE_URL"]
        self._make_template()

    def make(self, model: World | None = None) -> World:
        """Make an empty world, or one like another that nobody is in."""
        number = self._free.pop()
        folder = self._yard.data / f"world-{number}"
        path = f"/{number}"
        url = urlsplit(self._yard.server.url)._replace(path=path).geturl()
        if model:
            shutil.copytree(model.folder, folder)
            _copy_keys(model, number)
        else:
            folder.mkdir()
        return World(number, folder, url, self._copy(folder, number, model))

    def remove(self, world: World) -> None:
        """Give back the space that a world takes."""
        shutil.rmtree(world.folder)
        if self._is_postgres:
            self._administer(f"DROP DATABASE {world.database} WITH (FORCE)")
        with redis.Redis.from_url(world.redis_url) as client:
            client.flushdb()
        self._free.add(world.number)

    def _make_template(self) -> None:
        from django.db import connection

        if self._is_postgres:
            connection.close()  # nobody may be in the database that is copied
            self._administer(f"CREATE DATABASE {TEMPLATE} TEMPLATE postgres")
            return
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [str(self._yard.data / TEMPLATE)])

    def _copy(self, folder: Path, number: int, model: World | None) -> str:
        """Copy the ledger; returns its name."""
        if self._is_postgres:
            name, like = f"world_{number}", model.database if model else TEMPLATE
            self._administer(f"CREATE DATABASE {name} TEMPLATE {like}")
            return name
        path = folder / "ledger.sqlite3"
        if model is None:
            shutil.copy(self._yard.data / TEMPLATE, path)
        return str(path)

    def _administer(self, statement: str) -> None:
        url = urlsplit(self._yard.environment["DATABASE_URL"])
        server = url._replace(path="/template1").geturl()
        with closing(psycopg.connect(server, autocommit=True)) as connection:
            connection.execute(statement)


def _copy_keys(model: World, number: int) -> None:
    with redis.Redis.from_url(model.redis_url) as client:
        pipeline = client.pipeline(transaction=False)
        for key in client.scan_iter():
            pipeline.copy(key, key, destination_db=number)
        pipeline.execute()
