"""No wait is without end: a Redis that hangs, a database that hangs."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django.db.utils
import pytest
import redis
from django.db import ConnectionHandler

from tasks.broker import channel
from tasks.broker.client import (
    SILENT_FOR,
    broker_errors,
    connection_options,
    get_client,
    waits,
)
from tasks.broker.embedded import EmbeddedServer
from tasks.conf import get_config
from tasks.errors import BrokerSilent, BrokerUnavailable
from tasks.patience import LOOP_DATABASE, PAGE_DATABASE, wait_as_a_loop, wait_as_a_page
from tasks.postgresql.base import BoundedConnection
from tasks.sqlite.base import DatabaseWrapper as SqliteWrapper
from tests.conftest import wait_until
from tests.postgres import Cluster, require_postgres


@pytest.fixture
def mute() -> Iterator[str]:
    """The URL of a Redis that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(autouse=True)
def own_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "answer_timeout", waits.answer_timeout)
    monkeypatch.setattr(BoundedConnection, "answer_within", None)
    monkeypatch.setattr(SqliteWrapper, "lock_within", SqliteWrapper.lock_within)


@contextmanager
def took_less_than(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


# Redis.


def test_only_the_first_waits_for_a_redis_that_hangs(mute: str) -> None:
    client = redis.Redis.from_url(mute, **connection_options(1))
    with took_less_than(20), pytest.raises(BrokerSilent), broker_errors():
        client.ping()
    with took_less_than(1), pytest.raises(BrokerSilent), broker_errors():
        client.ping()
    client.close()


def test_who_must_try_does(mute: str) -> None:
    waits.note_silence()
    with broker_errors(must_try=True):
        assert get_client().ping()


def test_it_is_asked_again_after_a_moment() -> None:
    waits.note_silence()
    waits.silent_until -= SILENT_FOR
    with broker_errors():
        assert get_client().ping()


def test_a_refusal_makes_nobody_hold_back() -> None:
    with pytest.raises(BrokerUnavailable), broker_errors():
        get_client().execute_command("NONSENSE")
    with broker_errors():
        assert get_client().ping()


def test_a_page_waits_for_less_than_its_two_seconds() -> None:
    wait_as_a_page()
    assert waits.answer_timeout < 1
    assert BoundedConnection.answer_within == PAGE_DATABASE


async def hear() -> None:
    async for _message in channel.listen("anything"):
        raise AssertionError("nobody said anything")


def use(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = get_config().model_copy(update={"redis_url": url})
    monkeypatch.setattr("tasks.broker.client.get_config", lambda: config)


def test_a_channel_that_never_opens_is_given_up(
    mute: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(mute, monkeypatch)
    with took_less_than(20), pytest.raises(redis.TimeoutError):
        asyncio.run(hear())


def test_a_channel_that_falls_silent_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "QUIET", 0.1)
    server = EmbeddedServer(tmp_path)
    server.start()
    use(server.url, monkeypatch)
    try:
        with pytest.raises(redis.TimeoutError, match="no sign of life"):
            asyncio.run(hear_until_frozen(server))
    finally:
        server.stop()


async def hear_until_frozen(server: EmbeddedServer) -> None:
    """Listen to a server that freezes as soon as it knows of that."""
    assert server.process is not None
    hearing = asyncio.ensure_future(hear())
    with redis.Redis.from_url(server.url) as client:
        await asyncio.to_thread(wait_until, lambda: client.pubsub_channels("anything"))
    with frozen(server.process.pid):
        await asyncio.wait_for(hearing, 10)


def test_a_quiet_channel_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "QUIET", 0.05)
    before = pings()

    async def hear() -> bytes:
        heard = aiter(channel.listen("here"))
        first = asyncio.ensure_future(anext(heard))
        await asyncio.to_thread(wait_until, lambda: pings() > before + 2)
        get_client().publish("here", b"word")
        return await first

    assert asyncio.run(hear()) == b"word"


def pings() -> int:
    found: Any = get_client().info("commandstats")
    return int(found.get("cmdstat_ping", {}).get("calls", 0))


# PostgreSQL.


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.django_db
def test_a_database_that_hangs_is_given_up_and_connected_anew() -> None:
    require_postgres()
    with Cluster() as cluster:
        databases = ConnectionHandler({"default": settings_of(cluster)})
        connection = databases["default"]
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            pid = cursor.fetchone()[0]
        BoundedConnection.answer_within = 0.3
        with frozen(pid), took_less_than(20):
            with pytest.raises(django.db.utils.OperationalError):
                connection.cursor().execute("SELECT 1")
            assert connection.connection.closed
            assert not connection.is_usable()
        connection.close()
        connection.ensure_connection()
        assert connection.is_usable()
        connection.close()


def settings_of(cluster: Cluster) -> dict[str, object]:
    return {
        "ENGINE": "tasks.postgresql",
        "NAME": "postgres",
        "USER": "owner",
        "PASSWORD": cluster.password,
        "HOST": str(cluster.folder),
    }


def test_loops_wait_longer_and_others_as_long_as_it_takes() -> None:
    assert BoundedConnection.answer_within is None
    wait_as_a_loop()
    assert BoundedConnection.answer_within == LOOP_DATABASE
