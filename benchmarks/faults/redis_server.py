"""A Redis with an append-only file that can be killed and started again."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import redis

from benchmarks.servers import START_TIMEOUT, free_port
from tasks.broker.embedded import find_server
from tasks.process import die_with_parent

#: Which server `--server` means: the Valkey that Taskyard brings, or apt's Redis.
PROGRAMS = {"valkey": find_server, "redis": lambda: shutil.which("redis-server")}

#: Enough for scenarios that act in many places side by side.
DATABASES = 256


class RedisServer:
    """One server on a port of loopback, which it keeps over every restart."""

    def __init__(self, folder: Path, kind: str = "valkey") -> None:
        program = PROGRAMS[kind]()
        if program is None:
            raise RuntimeError("apt-get install redis-server, or --server valkey")
        self.program = program
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        #: What it is started with beside the environment of this process.
        self.environment: Mapping[str, str] = {}
        folder.mkdir()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def log_folder(self) -> Path:
        """Where the files of the append-only log are."""
        return self.folder / "appendonlydir"

    def command(self) -> Sequence[str]:
        words = [self.program, "--port", str(self.port), "--bind", "127.0.0.1"]
        words += ["--dir", str(self.folder), "--save", "", "--appendonly", "yes"]
        words += ["--appendfsync", "everysec", "--maxmemory-policy", "noeviction"]
        words += ["--databases", str(DATABASES)]
        return [*words, "--loglevel", "warning"]

    def client(self) -> redis.Redis:
        """Return a client of its own, which no proxy stands before."""
        return redis.Redis.from_url(self.url, socket_timeout=30)

    def start(self) -> None:
        """Start it, and return when it has loaded its log and answers."""
        with (self.folder / "server.log").open("ab") as output:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, **self.environment},
                preexec_fn=functools.partial(die_with_parent, os.getpid()),
            )
        deadline = time.monotonic() + START_TIMEOUT
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "server.log").read_text()
                raise RuntimeError(f"{self.program} did not start: {said}")
            time.sleep(0.02)

    def answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def stop(self) -> None:
        """End it as an administrator would: its log is written first."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait()
