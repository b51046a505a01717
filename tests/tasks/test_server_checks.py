from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.utils import timezone
from rq_scheduler import Scheduler

from tasks.broker.client import get_client
from tasks.broker.inspection import ServerFacts, read_server_facts
from tasks.broker.moves import move_due
from tasks.checks import Level
from tasks.conf import get_config
from tasks.errors import BrokerUnavailable
from tasks.models import Epoch
from tasks.server_checks import check_accepted, check_refill, check_server, examine
from tasks.states import State
from tasks.worker.spool import Spooled, folder_of, spooling
from tests.factories import create_job
from tests.tasks.test_checks import troubles

FACTS = ServerFacts(
    product="Valkey",
    version=(9, 1, 2),
    answered_in=0.001,
    clock_ahead=0.0,
    policy="noeviction",
    has_log=True,
    fsync="everysec",
    write_fault="",
    used_bytes=10,
    most_bytes=100,
    has_limit=True,
    is_open=False,
    is_plain=False,
    is_replica=False,
    is_cluster=False,
    clients=9,
    most_clients=100,
    has_stock_scheduler=False,
)


class TestServer:
    def test_a_good_one_has_no_troubles(self) -> None:
        assert troubles(check_server(FACTS)) == {}

    @pytest.mark.parametrize(
        ("change", "check", "level"),
        [
            ({"version": (6, 0, 16)}, "redis-version", Level.BAD),
            ({"version": (8, 1, 3)}, "redis-version", Level.WARNING),
            ({"policy": "allkeys-lru"}, "redis-eviction", Level.BAD),
            (
                {"policy": "allkeys-lru", "has_limit": False},
                "redis-eviction",
                Level.WARNING,
            ),
            ({"has_log": False}, "redis-log", Level.WARNING),
            ({"write_fault": "err"}, "redis-disk", Level.BAD),
            ({"fsync": "no"}, "redis-fsync", Level.WARNING),
            ({"used_bytes": 70}, "redis-memory", Level.WARNING),
            ({"used_bytes": 80}, "redis-memory", Level.BAD),
            ({"used_bytes": 80, "has_limit": False}, "redis-memory", Level.WARNING),
            ({"used_bytes": 95, "has_limit": False}, "redis-memory", Level.BAD),
            ({"is_replica": True}, "redis-replica", Level.BAD),
            ({"is_cluster": True}, "redis-cluster", Level.BAD),
            ({"clients": 80}, "redis-clients", Level.WARNING),
            ({"clock_ahead": -2.0}, "clock", Level.WARNING),
            ({"clock_ahead": 60.0}, "clock", Level.BAD),
            ({"is_open": True}, "redis-open", Level.BAD),
            ({"has_stock_scheduler": True}, "rqscheduler", Level.BAD),
            ({"periodic": 1}, "rq-scheduler", Level.WARNING),
        ],
    )
    def test_each_trouble_is_found(
        self, change: dict[str, object], check: str, level: Level
    ) -> None:
        facts = replace(FACTS, **change)  # type: ignore[arg-type]
        assert troubles(check_server(facts)) == {check: level}

    @pytest.mark.parametrize(
        ("change", "check"),
        [({"has_limit": False}, "redis-limit"), ({"is_plain": True}, "redis-plain")],
    )
    def test_some_are_worth_a_hint(self, change: dict[str, bool], check: str) -> None:
        found = check_server(replace(FACTS, **change))  # type: ignore[arg-type]
        assert [one.check for one in found if one.level == Level.HINT] == [check]

    @pytest.mark.parametrize(
        ("product", "version", "is_safe"),
        [
            ("Redis", (6, 2, 20), True),
            ("Redis", (7, 0, 15), False),
            ("Redis", (7, 2, 10), False),
            ("Redis", (8, 4, 0), True),
            ("Valkey", (8, 1, 4), True),
            ("Valkey", (9, 0, 0), True),
        ],
    )
    def test_releases_with_the_hole_are_known(
        self, product: str, version: tuple[int, ...], is_safe: bool
    ) -> None:
        facts = replace(FACTS, product=product, version=version)
        assert ("redis-version" not in troubles(check_server(facts))) == is_safe


class TestRealServer:
    def test_the_embedded_one_is_well(self) -> None:
        facts = read_server_facts()
        assert facts.product == "Valkey"
        assert troubles(check_server(facts)) == {}

    def test_changed_settings_are_seen(self) -> None:
        client = get_client()
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.config_set("maxmemory", "500mb")
        try:
            facts = read_server_facts()
        finally:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", "0")
        assert (facts.policy, facts.most_bytes) == ("allkeys-lru", 500 * 1024**2)
        assert facts.has_limit

    @pytest.mark.parametrize(
        ("setting", "value", "check"),
        [
            ("appendonly", "no", "redis-log"),
            ("appendfsync", "no", "redis-fsync"),
            ("maxmemory-policy", "volatile-lru", "redis-eviction"),
            ("maxmemory", "1mb", "redis-memory"),
            ("maxclients", "33", "redis-clients"),
        ],
    )
    def test_a_setting_that_will_bite_is_found(
        self, setting: str, value: str, check: str
    ) -> None:
        client = get_client()
        before = client.config_get(setting)[setting]
        more = [redis.Redis.from_url(get_config().broker_url()) for _ in range(28)]
        assert all(one.ping() for one in more)
        client.config_set(setting, value)
        try:
            facts = read_server_facts()
        finally:
            client.config_set(setting, before)
            for one in more:
                one.close()
        assert check in troubles(check_server(facts))

    def test_a_replica_is_seen(self) -> None:
        client = get_client()
        client.replicaof("127.0.0.1", "1")
        try:
            facts = read_server_facts()
        finally:
            client.replicaof("NO", "ONE")
        assert troubles(check_server(facts))["redis-replica"] == Level.BAD

    def test_connections_are_counted(self) -> None:
        facts = read_server_facts()
        assert 0 < facts.clients < facts.most_clients

    @pytest.mark.parametrize(
        ("url", "is_plain"),
        [
            ("redis://cache.example:6379", True),
            ("rediss://cache.example:6379", False),
            ("redis://127.0.0.1:6379", False),
            ("unix:///x", False),
        ],
    )
    def test_a_way_through_a_network_is_seen(
        self, monkeypatch: pytest.MonkeyPatch, url: str, is_plain: bool
    ) -> None:
        config = get_config().model_copy(update={"redis_url": url})
        monkeypatch.setattr("tasks.broker.inspection.get_config", lambda: config)
        assert read_server_facts().is_plain == is_plain

    def test_a_stock_scheduler_is_seen_until_it_ends(self) -> None:
        stock = Scheduler(connection=get_client())
        stock.register_birth()
        assert read_server_facts().has_stock_scheduler
        stock.register_death()
        assert not read_server_facts().has_stock_scheduler

    def test_the_periodic_entries_that_are_held_are_counted(self) -> None:
        soon = timezone.now()
        for number in range(3):
            stock = Scheduler(connection=get_client())
            stock.schedule(soon, "tests.sample.add", args=[number], interval=60)
        move_due(get_client())
        facts = read_server_facts()
        assert facts.periodic == 3
        (found,) = (one for one in check_server(facts) if one.check == "rq-scheduler")
        assert found.text.startswith(
            "3 repeating entries that rq-scheduler clients left"
        )

    def test_a_server_that_hides_its_settings_is_no_fault(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_names: str) -> None:
            raise redis.ResponseError("NOPERM")

        monkeypatch.setattr(get_client(), "config_get", refuse)
        assert not read_server_facts().is_open


@pytest.mark.django_db
def test_redis_that_is_away_is_one_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise BrokerUnavailable("connection refused")

    monkeypatch.setattr("tasks.server_checks.read_server_facts", away)
    found = troubles(examine())
    assert found["redis"] == Level.BAD
    assert "workers" not in found


@pytest.mark.django_db
class TestAccepted:
    def test_a_job_that_reached_redis_is_no_trouble(self) -> None:
        create_job(state=State.QUEUED)
        assert list(check_accepted()) == []

    def test_one_that_did_not_for_long_is(self) -> None:
        now = timezone.now()
        create_job(state=State.CREATED, created_at=now - timedelta(seconds=10))
        assert list(check_accepted()) == []
        create_job(state=State.CREATED, created_at=now - timedelta(seconds=40))
        (found,) = check_accepted()
        assert (found.level, found.text) == (
            Level.WARNING,
            "1 accepted job waits for room in Redis, or for the scheduler.",
        )


@pytest.mark.django_db
def test_a_redis_that_is_being_refilled_is_told_of() -> None:
    epoch = Epoch.objects.create(lost_at=timezone.now())
    (found,) = check_refill()
    assert found.level == Level.WARNING
    assert found.text.startswith("Redis lost data and is being refilled")
    assert found in list(examine())
    Epoch.objects.filter(pk=epoch.pk).update(lost_at=None)
    assert list(check_refill()) == []


@pytest.mark.django_db
def test_ends_on_disk_are_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = get_config().model_copy(update={"taskyard_data": tmp_path})
    monkeypatch.setattr("tasks.checks.get_config", lambda: config)
    assert "spool" not in troubles(examine())
    with spooling(folder_of(tmp_path), Spooled("w1", "vm-3", ())):
        assert troubles(examine())["spool"] == Level.WARNING
