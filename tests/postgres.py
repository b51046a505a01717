"""PostgreSQL servers of the tests' own, run by the programs that apt installs."""

from __future__ import annotations

import functools
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import psycopg
import pytest

from tasks.process import die_with_parent

#: Seconds that a server may take to answer on a busy machine.
START_TIMEOUT = 60

#: Reached by its socket alone; nothing in it need survive a crash of the machine.
SETTINGS = (
    "listen_addresses=",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
)


class ServiceMissing(Exception):
    """A program that tests need is not installed; the text says how to get it."""


def find_program(name: str) -> str:
    """Return the newest installed one; Debian keeps it away from PATH."""
    installed = Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
    newest = max(installed, key=lambda path: float(path.parts[-3]), default=None)
    path = shutil.which(newest or name)
    if path is None:
        raise ServiceMissing(
            f"PostgreSQL's {name} is not installed: apt-get install postgresql, or run"
            " script/test as root, which installs it."
        )
    return path


def require_postgres() -> None:
    """Skip the test where PostgreSQL is not installed; in CI, fail it."""
    try:
        find_program("postgres")
    except ServiceMissing as missing:
        if "CI" in os.environ:
            raise
        pytest.skip(str(missing))


def unprivileged() -> dict[str, Any]:
    """Return who runs the server: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return {}
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


class Cluster:
    """One server in a folder of its own, which dies with this process."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="taskyard-pg-"))
        self.password = secrets.token_hex()
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._make()
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def url(self, database: str = "postgres") -> str:
        """Return the URL of the server's superuser."""
        host = quote(str(self.folder))
        return f"postgresql://owner:{self.password}@/{database}?host={host}"

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)  # without a checkpoint
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def restart(self) -> None:
        """Have it end all connections and itself, and start again."""
        assert self.process
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        self._start()

    def _make(self) -> None:
        password = self.folder / "password"
        password.write_text(self.password)
        for path in (self.folder, password) if os.geteuid() == 0 else ():
            shutil.chown(path, "postgres", "postgres")
        command = [find_program("initdb"), "--pgdata", "data", "--username", "owner"]
        command += ["--auth", "scram-sha-256", "--pwfile", str(password)]
        command += ["--no-sync", "--locale", "C", "--encoding", "UTF8"]
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, check=False, **unprivileged()
        )
        assert done.returncode == 0, done.stderr.decode()

    def _start(self) -> None:
        settings = (*SETTINGS, f"unix_socket_directories={self.folder}")
        options = [word for setting in settings for word in ("-c", setting)]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [find_program("postgres"), "-D", str(self.folder / "data"), *options],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=functools.partial(die_with_parent, os.getpid()),
                **unprivileged(),
            )
        self._wait_until_ready(self.process)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while process.poll() is None and time.monotonic() < deadline:
            try:
                return psycopg.connect(self.url()).close()
            except psycopg.OperationalError:
                time.sleep(0.02)
        raise AssertionError((self.folder / "log").read_text())
