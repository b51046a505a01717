"""What the doctor asks of a Redis server: its version, settings, memory and clock."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import redis
from rq.version import VERSION

from tasks.broker import keys
from tasks.broker.client import broker_errors, get_client
from tasks.broker.periodic import count_periodic
from tasks.broker.snapshot import product_of
from tasks.conf import get_config

#: Keys that the server looks at in one step of a search; a step takes some milliseconds.
SEARCH_STEP = 10_000

RQ_VERSION = str(VERSION)

Version = tuple[int, ...]


@dataclass(frozen=True)
class ServerFacts:
    """One look at a server; what a managed service does not tell is None."""

    product: str
    version: Version
    #: Seconds that an answer took.
    answered_in: float
    #: Seconds by which Redis' clock is ahead of this host's.
    clock_ahead: float
    policy: str
    has_log: bool
    #: When the append-only file is written through to the disk.
    fsync: str
    #: What keeps the server from accepting writes, '' for nothing.
    write_fault: str
    used_bytes: int
    #: Bytes that the server may use, or that the machine has; 0: unknown.
    most_bytes: int
    has_limit: bool
    #: Whether other machines can reach the server without a password.
    is_open: bool
    #: Whether jobs travel to it through a network as everybody there can read them.
    is_plain: bool
    #: Whether it only copies another server, and takes no writes.
    is_replica: bool
    #: Whether it is a part of a Redis Cluster.
    is_cluster: bool
    clients: int
    #: 0: unknown.
    most_clients: int
    has_stock_scheduler: bool
    #: Entries of rq-scheduler that come again and again, and are held.
    periodic: int = 0

    @property
    def name(self) -> str:
        return f"{self.product} {'.'.join(map(str, self.version))}"


def read_server_facts() -> ServerFacts:
    """Ask the server. Raises BrokerUnavailable."""
    client = get_client()
    with broker_errors():
        info: dict[str, Any] = client.info()
        asked_at, started = time.time(), time.monotonic()
        seconds, micros = client.time()
        took = time.monotonic() - started
        config = _read_config(client)
        has_stock_scheduler = _has_stock_scheduler(client)
    limit = int(info.get("maxmemory", 0))
    return ServerFacts(
        product=product_of(info),
        version=_version(info.get("valkey_version") or info.get("redis_version", "0")),
        answered_in=took,
        clock_ahead=seconds + micros / 1e6 - (asked_at + took / 2),
        policy=str(info.get("maxmemory_policy", "")),
        has_log=bool(info.get("aof_enabled")),
        fsync=config.get("appendfsync", ""),
        write_fault=_write_fault(info, config),
        used_bytes=int(info.get("used_memory", 0)),
        most_bytes=limit or int(info.get("total_system_memory", 0)),
        has_limit=limit > 0,
        is_open=_is_open(config),
        is_plain=_is_plain(),
        is_replica=info.get("role") == "slave",
        is_cluster=bool(info.get("cluster_enabled")),
        clients=int(info.get("connected_clients", 0)),
        most_clients=int(info.get("maxclients", 0)),
        has_stock_scheduler=has_stock_scheduler,
        periodic=count_periodic(),
    )


def _read_config(client: redis.Redis) -> Mapping[str, str]:
    try:
        found: Any = client.config_get("bind", "requirepass", "protected-mode", "port")
        saving: Any = client.config_get(
            "stop-writes-on-bgsave-error", "save", "appendfsync"
        )
    except redis.ResponseError:  # managed services keep their settings to themselves
        return {}
    return {str(key): str(value) for key, value in {**found, **saving}.items()}


def _version(text: object) -> Version:
    return tuple(int(part) for part in str(text).split(".") if part.isdecimal())


def _write_fault(info: Mapping[str, Any], config: Mapping[str, str]) -> str:
    if info.get("aof_enabled") and info.get("aof_last_write_status") == "err":
        return "aof_last_write_status: err"
    stops = config.get("save") and config.get("stop-writes-on-bgsave-error") == "yes"
    if stops and info.get("rdb_last_bgsave_status") == "err":
        return "rdb_last_bgsave_status: err"
    return ""


def _is_open(config: Mapping[str, str]) -> bool:
    """Say whether the server listens beyond this machine and asks for no password."""
    url = urlsplit(get_config().broker_url())
    if url.password or config.get("requirepass"):
        return False
    if not config:
        return bool(url.hostname and not is_loopback(url.hostname))
    addresses = [address.lstrip("-") for address in config.get("bind", "").split()]
    is_local = addresses and all(map(is_loopback, addresses))
    is_closed = config.get("port") == "0" or config.get("protected-mode") == "yes"
    return not (is_local or is_closed)


def _is_plain() -> bool:
    url = urlsplit(get_config().broker_url())
    return url.scheme == "redis" and not is_loopback(url.hostname or "localhost")


def is_loopback(address: str) -> bool:
    """Say whether only this machine can reach an address."""
    return address in ("localhost", "::1") or address.startswith("127.")


def _has_stock_scheduler(client: redis.Redis) -> bool:
    names = client.scan_iter(keys.STOCK_SCHEDULERS, count=SEARCH_STEP, _type="hash")
    return any(not client.hexists(name, "death") for name in names)
