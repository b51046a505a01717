"""`manage.py up` for real: every process, signals, ports and exit codes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.conf import PROJECT_ROOT
from tests.conftest import wait_until
from tests.ledgers import Ledger, own_ledger

pytestmark = pytest.mark.integration

#: Seconds for a start or an end on a machine that has much else to do.
PATIENCE = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Up:
    """One running `manage.py up`."""

    def __init__(self, ledger: Ledger, *options: str, tasks: str = "") -> None:
        self.ledger = ledger
        self.data = data = ledger.data
        self.port = free_port()
        self.output = data.with_suffix(f".{self.port}.log")
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                up_command(data, self.port, *options),
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment(TASKYARD_TASKS=tasks, **ledger.environment),
                cwd=data.parent,
            )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def said(self) -> str:
        return self.output.read_text()

    def wait_until_said(self, text: str) -> None:
        def has_said() -> bool:
            assert self.process.poll() is None, self.said()
            return text in self.said()

        wait_until(has_said, PATIENCE)

    def children(self) -> list[int]:
        """Return every process that knows the data folder, but the supervisor."""
        mark = f"TASKYARD_DATA={self.data}".encode()
        return [pid for pid in running() if mark in read(pid, "environ").split(b"\0")]

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def up_command(data: Path, port: int, *options: str) -> list[str]:
    manage = str(PROJECT_ROOT / "manage.py")
    place = ["--data", str(data), "--port", str(port)]
    return [sys.executable, manage, "up", *place, *options]


def environment(**more: str) -> dict[str, str]:
    """Return the environment of somebody who set nothing but the language."""
    ours = ("REDIS_URL", "DATABASE_URL", "SECRET_KEY", "PYTHONPATH")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ours and not name.startswith("TASKYARD_")
    }
    return kept | {"TASKYARD_LANGUAGE": "en"} | more


def running() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]


def read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with own_ledger(tmp_path / "data") as made:
        yield made


@pytest.fixture
def up(ledger: Ledger) -> Iterator[Callable[..., Up]]:
    started: list[Up] = []

    def start(*options: str) -> Up:
        started.append(Up(ledger, *options))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()
    wait_until(lambda: not any(each.children() for each in started))


def fetch(url: str) -> tuple[int, str]:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own page
        return answer.status, answer.read().decode()


def refused(data: Path, *options: str, port: int | None = None, **settings: str) -> str:
    """Return what an `up` that cannot work says on stderr; it must end by itself."""
    ended = subprocess.run(
        up_command(data, port or free_port(), *options),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=environment(**settings),
        cwd=data.parent,
    )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    return ended.stderr.strip()


def test_it_starts_everything_and_stops_everything(up: Callable[..., Up]) -> None:
    first = up()
    first.wait_until_said("Stop it with Ctrl-C.")
    assert f"Taskyard runs at {first.url}\n" in first.said()
    assert fetch(first.url)[0] == 200
    commands = wait_until(lambda: six_processes(first), PATIENCE)
    secrets = (first.data / "secret_key").read_bytes()
    assert not any(secrets in command for command in commands)
    noted = first.data / "redis.url"
    assert noted.stat().st_mode & 0o777 == 0o600
    address = first.data / "pages.address"
    assert address.read_text() == f"127.0.0.1:{first.port}\n"
    assert first.end() == 0
    assert first.children() == []
    assert not noted.exists()
    assert not address.exists()


def six_processes(started: Up) -> list[bytes]:
    """Return the command lines once there are six programs with their own children."""
    lines = [read(pid, "cmdline") for pid in started.children()]
    words = (b"uvicorn", b"recorder", b"scheduler")
    enough = sum(b"\0worker\0" in line for line in lines) >= 2
    found = enough and all(any(word in line for line in lines) for word in words)
    return lines if found else []


def test_the_first_link_signs_in_and_the_second_start_keeps_all(
    up: Callable[..., Up],
) -> None:
    first = up("--workers", "1")
    first.wait_until_said("Stop it with Ctrl-C.")
    link = re.search(r"works once: (\S+)", first.said())
    assert link
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with opener.open(link[1], timeout=10) as answer:
        assert answer.url == f"{first.url}/"
    assert fetch(link[1])[1].count("<form")
    first.end(signal.SIGTERM)

    second = up("--workers", "1")
    second.wait_until_said("Stop it with Ctrl-C.")
    assert "password" not in second.said()
    assert second.ledger.rows("SELECT username FROM auth_user") == [("admin",)]


def test_nothing_outlives_a_supervisor_that_is_killed(up: Callable[..., Up]) -> None:
    killed = up()
    wait_until(lambda: six_processes(killed), PATIENCE)
    killed.process.kill()
    killed.process.wait()
    wait_until(lambda: not killed.children())


def test_a_second_one_on_the_folder_is_refused(up: Callable[..., Up]) -> None:
    first = up("--workers", "0")
    first.wait_until_said("Stop it with Ctrl-C.")
    assert refused(first.data) == (
        f"Taskyard: Taskyard runs on the data folder {first.data} already"
        f" (process {first.process.pid}): stop it, or choose another folder with --data."
    )


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert refused(tmp_path / "data", port=port) == (
            f"Taskyard: 127.0.0.1:{port} is in use by another program:"
            " stop it, or choose another with --host or --port."
        )


@pytest.mark.parametrize("folder", ["/proc/x", "a-file"])
def test_a_folder_that_cannot_be_written_is_refused(
    tmp_path: Path, folder: str
) -> None:
    (tmp_path / "a-file").touch()
    data = tmp_path / folder
    said = subprocess.run(
        up_command(data, free_port()),
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert said.returncode == 2
    assert said.stderr.startswith(f"Taskyard: The data folder {data} cannot be written")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("REDIS_URL", "redis://127.0.0.1:1/0", "REDIS_URL: Redis does not answer"),
        ("REDIS_URL", "ftp://x", "REDIS_URL: must begin with redis://"),
        (
            "DATABASE_URL",
            "postgres://127.0.0.1:1/x",
            "DATABASE_URL: the database cannot be used",
        ),
        (
            "TASKYARD_TASKS",
            "nojobs",
            "TASKYARD_TASKS: module nojobs cannot be imported",
        ),
        ("TASKYARD_APPS", "noapp", "TASKYARD_APPS: there is no module noapp."),
        ("SECRET_KEY", "short", "SECRET_KEY: is shorter than 32 characters"),
    ],
)
def test_a_setting_that_cannot_work_is_named(
    tmp_path: Path, name: str, value: str, sentence: str
) -> None:
    said = refused(tmp_path / "data", **{name: value})
    assert said.startswith(f"Taskyard: {sentence}")
    assert len(said.splitlines()) == 1
