"""The servers that benchmarks start for themselves: Redis on loopback, and PostgreSQL."""

from __future__ import annotations

import functools
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import redis

from tasks.broker.embedded import find_server
from tasks.process import die_with_parent

#: Seconds that a server may take to answer on a busy machine.
START_TIMEOUT = 60

#: Enough for 100,000 jobs of a peer that holds a connection for each.
MAX_CLIENTS = 19_000

#: PostgreSQL as it comes, but reached by its socket alone.
POSTGRES_SETTINGS = ("listen_addresses=", "shared_buffers=256MB")


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Run a Redis without persistence on a free port of loopback; give its URL.

    It is `redis-server` of PATH where there is one, else the Valkey that Taskyard brings.
    """
    port = free_port()
    command = [shutil.which("redis-server") or find_server(), "--port", str(port)]
    command += ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    command += ["--maxclients", str(MAX_CLIENTS), "--dir", str(folder)]
    url = f"redis://127.0.0.1:{port}/0"
    with _running(command, folder / "redis.log", functools.partial(_answers, url)):
        yield url


@contextmanager
def postgres_server(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL with its default durability in `folder`; give its URL."""
    folder.mkdir()
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        folder.parent.chmod(0o711)  # or the user postgres could not reach it
    data = str(folder / "data")
    command = [_postgres_program("initdb"), "--pgdata", data, "--username", "owner"]
    command += ["--auth", "trust", "--locale", "C", "--encoding", "UTF8"]
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **_unprivileged()
    )
    url = f"postgresql://owner@/postgres?host={quote(str(folder))}"
    settings = (*POSTGRES_SETTINGS, f"unix_socket_directories={folder}")
    options = [word for setting in settings for word in ("-c", setting)]
    command = [_postgres_program("postgres"), "-D", data, *options]
    accepts = functools.partial(_accepts, url)
    with _running(command, folder.parent / "postgres.log", accepts, **_unprivileged()):
        yield url


@contextmanager
def _running(
    command: Sequence[str], log: Path, is_ready: Callable[[], bool], **options: Any
) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=functools.partial(die_with_parent, os.getpid()),
            **options,
        )
    try:
        deadline = time.monotonic() + START_TIMEOUT
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start: {log.read_text()}")
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


def _accepts(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def _postgres_program(name: str) -> str:
    """Return the newest installed one; Debian keeps it away from PATH."""
    installed = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    newest = max(installed, key=lambda path: float(path.parts[-3]), default=None)
    path = shutil.which(newest or name)
    if path is None:
        raise RuntimeError(
            f"PostgreSQL's {name} is not installed: apt-get install postgresql"
        )
    return path


def _unprivileged() -> dict[str, Any]:
    """Return who runs PostgreSQL, which refuses root."""
    if os.geteuid() != 0:
        return {}
    return {"user": "postgres", "group": "postgres", "extra_groups": []}
