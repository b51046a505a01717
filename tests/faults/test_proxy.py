"""What the proxy does to a client of the real Redis."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from benchmarks.faults.proxy import Proxy
from benchmarks.faults.resp import CommandReader
from tasks.broker.client import connection_options, get_client
from tests.conftest import wait_until


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy(os.environ["REDIS_URL"]) as made:
        yield made


def connect(proxy: Proxy, answer_timeout: float = 2) -> redis.Redis:
    """Return a client that says nothing by itself when it connects."""
    options = connection_options(answer_timeout)
    pool = redis.ConnectionPool.from_url(
        proxy.url, protocol=2, driver_info=None, **options
    )
    return redis.Redis(connection_pool=pool)


@pytest.fixture
def through(proxy: Proxy) -> Iterator[redis.Redis]:
    """A client that reaches Redis by the proxy, and is connected."""
    with connect(proxy) as client:
        client.ping()
        proxy.forget()
        yield client


def test_what_clients_say_reaches_redis_and_comes_back(
    proxy: Proxy, through: redis.Redis
) -> None:
    through.set("a", "1")
    assert get_client().get("a") == through.get("a") == b"1"
    assert [(one.name, one.argument) for one in proxy.seen] == [
        ("SET", "a"),
        ("GET", "a"),
    ]


def test_the_url_keeps_the_login_and_the_database() -> None:
    with Proxy("redis://me:secret@localhost:7000/3") as proxy:
        found = urlsplit(proxy.url)
        assert (found.username, found.password, found.path) == ("me", "secret", "/3")
    with Proxy("unix://:secret@/run/redis.sock?db=3") as proxy:
        assert urlsplit(proxy.url).query == "db=3"


def test_it_listens_on_a_socket_as_well(tmp_path: Path) -> None:
    with (
        Proxy(os.environ["REDIS_URL"], tmp_path / "p.sock") as proxy,
        connect(proxy) as client,
    ):
        assert client.ping()


def test_the_commands_of_a_pipeline_are_told_apart(
    proxy: Proxy, through: redis.Redis
) -> None:
    with through.pipeline(transaction=False) as pipeline:
        for number in range(1_000):
            pipeline.set(f"key-{number}", "\r\n*1\r\n" * 50)
        pipeline.execute()
    assert proxy.names == ["SET"] * 1_000


def test_commands_are_found_however_they_are_split() -> None:
    raw = b"*2\r\n$3\r\nget\r\n$5\r\n*1\r\n$\r\nPING extra\r\n*1\r\n$4\r\nquit\r\n"
    for size in range(1, len(raw) + 1):
        reader = CommandReader()
        pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
        found = [command for piece in pieces for command in reader.feed(piece)]
        assert [one.name for one in found] == ["GET", "PING", "QUIT"]
        assert b"".join(one.raw for one in found) == raw


def test_a_delay_holds_up_both_ways(proxy: Proxy, through: redis.Redis) -> None:
    def seconds() -> float:
        begun = time.monotonic()
        through.ping()
        return time.monotonic() - begun

    proxy.delay(0.1)
    assert seconds() >= 0.2
    proxy.mend()
    wait_until(lambda: seconds() < 0.2)


def test_what_is_delayed_arrives_in_order(proxy: Proxy, through: redis.Redis) -> None:
    proxy.delay(0.05)
    with through.pipeline(transaction=False) as pipeline:
        for number in range(3_000):
            pipeline.rpush("list", f"{number}-" * 20)
        assert pipeline.execute() == list(range(1, 3_001))


def test_silence_is_noticed_by_nothing_but_a_timeout(proxy: Proxy) -> None:
    with connect(proxy, answer_timeout=0.2) as client:
        client.ping()
        proxy.silence()
        with pytest.raises(redis.TimeoutError):
            client.set("a", "1")
        with pytest.raises(redis.TimeoutError):  # a new connection hears nothing either
            client.set("a", "1")
    assert get_client().exists("a") == 0


def test_a_connection_that_was_silenced_stays_silent(proxy: Proxy) -> None:
    address = urlsplit(proxy.url)
    with (
        socket.create_connection((address.hostname, address.port or 0)) as old,
        socket.create_connection((address.hostname, address.port or 0)) as new,
    ):
        old.settimeout(0.2)
        old.sendall(b"PING\r\n")
        assert old.recv(100) == b"+PONG\r\n"
        proxy.silence()
        proxy.mend()
        old.sendall(b"PING\r\n")
        with pytest.raises(TimeoutError):
            old.recv(100)
        del new
    with connect(proxy) as client:
        assert client.ping()


def test_a_reset_breaks_what_is_open_and_what_is_new(
    proxy: Proxy, through: redis.Redis
) -> None:
    proxy.reset()
    for _connection in range(2):
        with pytest.raises(redis.ConnectionError):
            through.ping()
    proxy.mend()
    assert through.ping()


def test_a_half_closed_connection_still_carries_commands(
    proxy: Proxy, through: redis.Redis
) -> None:
    proxy.half_close()
    address = urlsplit(proxy.url)
    with socket.create_connection((address.hostname, address.port or 0)) as client:
        client.settimeout(2)
        assert client.recv(100) == b""
        client.sendall(b"SET a 1\r\n")
        wait_until(lambda: get_client().get("a") == b"1")


@pytest.mark.parametrize("reached", [True, False])
def test_a_cut_falls_exactly_at_its_command(
    proxy: Proxy,
    through: redis.Redis,
    reached: bool,
) -> None:
    proxy.cut_after(3, reached=reached)
    assert through.incr("count") == 1
    assert through.incr("count") == 2
    with pytest.raises(redis.ConnectionError):
        through.incr("count")
    assert get_client().get("count") == (b"3" if reached else b"2")
    assert through.incr("count") == (4 if reached else 3)


def test_a_cut_falls_within_a_pipeline(proxy: Proxy, through: redis.Redis) -> None:
    seen: list[bytes | None] = []
    proxy.cut_after(30, then=lambda: seen.append(get_client().get("count")))
    with through.pipeline(transaction=False) as pipeline:
        for _command in range(50):
            pipeline.incr("count")
        with pytest.raises(redis.ConnectionError):
            pipeline.execute()
    assert proxy.wait_for_cut(5)
    assert seen == [b"30"]
    assert get_client().get("count") == b"30"


def test_a_cut_breaks_every_connection(proxy: Proxy, through: redis.Redis) -> None:
    address = urlsplit(proxy.url)
    with socket.create_connection((address.hostname, address.port or 0)) as other:
        other.sendall(b"PING\r\n")
        assert other.recv(100) == b"+PONG\r\n"
        proxy.cut_after(1)
        with pytest.raises(redis.ConnectionError):
            through.ping()
        with pytest.raises(ConnectionResetError):
            other.recv(100)


def test_a_redis_that_is_gone_breaks_connections_at_once(tmp_path: Path) -> None:
    url = f"unix://{tmp_path}/none.sock"
    with (
        Proxy(url) as proxy,
        connect(proxy) as client,
        pytest.raises(redis.ConnectionError),
    ):
        client.ping()
