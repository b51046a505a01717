"""Databases for real processes, of the kind that this test run is on."""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg


@dataclass(frozen=True)
class Ledger:
    """The ledger of processes on the data folder `data`, looked at from outside."""

    data: Path
    #: Empty where the ledger is the SQLite file of the data folder.
    url: str = field(default="", repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """What tells a process of this ledger; nothing but the folder for SQLite."""
        named = {"DATABASE_URL": self.url} if self.url else {}
        return {"TASKYARD_DATA": str(self.data), **named}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(self._connect()) as connection:
            return list(connection.execute(query).fetchall())

    def _connect(self) -> Any:
        if self.url:
            return psycopg.connect(self.url)
        return sqlite3.connect(self.data / "taskyard.sqlite3", timeout=20)


@contextmanager
def own_ledger(data: Path) -> Iterator[Ledger]:
    """Give an empty ledger; its tables are made by `manage.py migrate`."""
    server = os.environ.get("DATABASE_URL", "")
    if not server:
        yield Ledger(data)
        return
    name = f"ledger_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield Ledger(data, urlsplit(server)._replace(path=name).geturl())
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
