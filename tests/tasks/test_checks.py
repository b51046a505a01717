from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
from django.core.management import call_command
from django.db import OperationalError
from django.test import override_settings
from rq_scheduler import Scheduler

from tasks import __version__
from tasks.broker.client import get_client
from tasks.broker.inspection import RQ_VERSION, ServerFacts, read_server_facts
from tasks.broker.snapshot import QueueDepth, RedisHealth, Snapshot, WorkerInfo
from tasks.checks import (
    Finding,
    Level,
    check_data_folder,
    check_database,
    check_settings,
    examine_processes,
    warn_about_data_folder,
)
from tasks.conf import get_config
from tasks.errors import BrokerUnavailable
from tasks.server_checks import check_server, examine

NOW = datetime(2026, 1, 1, tzinfo=UTC)

FACTS = ServerFacts(
    product="Valkey",
    version=(9, 1, 2),
    answered_in=0.001,
    clock_ahead=0.0,
    policy="noeviction",
    has_log=True,
    write_fault="",
    used_bytes=10,
    most_bytes=100,
    has_limit=True,
    is_open=False,
    has_stock_scheduler=False,
)

WORKER = WorkerInfo(
    name="w",
    host="h",
    pid=1,
    queues=("default",),
    state="idle",
    born_at=NOW,
    last_heartbeat=NOW,
    version=f"taskyard {__version__}",
    concurrency=1,
    running=0,
    current_job_id=None,
    successful=0,
    failed=0,
    rss_bytes=0,
    loop_lag=0.0,
)

SNAPSHOT = Snapshot(
    at=NOW,
    redis=RedisHealth("Valkey", "9.1.2", 1, 0, "noeviction", aof=True),
    queues=(),
    workers=(WORKER,),
    delayed=0,
    events_lag=0,
    liveness={"scheduler:h:1": NOW, "recorder:h:2": NOW},
)


def troubles(findings: Iterable[Finding]) -> dict[str, Level]:
    return {f.check: f.level for f in findings if f.level not in ("ok", "hint")}


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
            ({"used_bytes": 80}, "redis-memory", Level.WARNING),
            ({"used_bytes": 95}, "redis-memory", Level.BAD),
            ({"clock_ahead": -2.0}, "clock", Level.WARNING),
            ({"clock_ahead": 60.0}, "clock", Level.BAD),
            ({"is_open": True}, "redis-open", Level.BAD),
            ({"has_stock_scheduler": True}, "rqscheduler", Level.BAD),
        ],
    )
    def test_each_trouble_is_found(
        self, change: dict[str, object], check: str, level: Level
    ) -> None:
        facts = replace(FACTS, **change)  # type: ignore[arg-type]
        assert troubles(check_server(facts)) == {check: level}

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

    def test_a_stock_scheduler_is_seen_until_it_ends(self) -> None:
        stock = Scheduler(connection=get_client())
        stock.register_birth()
        assert read_server_facts().has_stock_scheduler
        stock.register_death()
        assert not read_server_facts().has_stock_scheduler

    def test_a_server_that_hides_its_settings_is_no_fault(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_names: str) -> None:
            raise redis.ResponseError("NOPERM")

        monkeypatch.setattr(get_client(), "config_get", refuse)
        assert not read_server_facts().is_open


class TestProcesses:
    def test_a_good_set_has_no_troubles(self) -> None:
        assert troubles(examine_processes(SNAPSHOT)) == {}

    @pytest.mark.parametrize(
        ("change", "found"),
        [
            ({"workers": ()}, {"workers": Level.BAD}),
            (
                {"workers": (replace(WORKER, version="taskyard 0.0.1"),)},
                {"versions": Level.WARNING},
            ),
            ({"workers": (WORKER, replace(WORKER, version=RQ_VERSION))}, {}),
            ({"liveness": {"recorder:h:1": NOW}}, {"scheduler": Level.BAD}),
            (
                {
                    "liveness": {
                        "scheduler:h:1": NOW,
                        "recorder:h:1": NOW - timedelta(minutes=1),
                    }
                },
                {"recorder": Level.BAD},
            ),
            ({"events_lag": 5_000}, {"lag": Level.WARNING}),
            ({"events_lag": 100_000}, {"lag": Level.BAD}),
            (
                {"queues": (QueueDepth("low", 3, 0, 0, 0, "x", NOW),)},
                {"queues": Level.BAD},
            ),
            ({"queues": (QueueDepth("default", 3, 0, 0, 0, "x", NOW),)}, {}),
            ({"queues": (QueueDepth("low", 0, 0, 3, 0, None, None),)}, {}),
        ],
    )
    def test_each_trouble_is_found(
        self, change: dict[str, object], found: dict[str, Level]
    ) -> None:
        snapshot = replace(SNAPSHOT, **change)  # type: ignore[arg-type]
        assert troubles(examine_processes(snapshot)) == found

    def test_a_queue_that_nobody_serves_names_the_way_out(self) -> None:
        queue = QueueDepth("low", 1, 0, 0, 0, "x", NOW)
        found = list(examine_processes(replace(SNAPSHOT, queues=(queue,))))
        texts = [finding.text for finding in found if finding.check == "queues"]
        assert texts == [
            "1 job waits in queue low, on which no worker listens:"
            " run manage.py worker --queues low."
        ]


class TestDatabaseAndSettings:
    @pytest.mark.django_db
    def test_a_migrated_database_is_well(self) -> None:
        (found,) = check_database()
        assert found.level == Level.OK

    @pytest.mark.django_db(transaction=True)
    def test_a_missing_migration_is_bad(self) -> None:
        call_command("migrate", "admin", "0001", verbosity=0)
        try:
            (found,) = check_database()
        finally:
            call_command("migrate", "admin", verbosity=0)
        assert found.level == Level.BAD
        assert found.text == "2 migrations are missing: run manage.py migrate."

    def test_a_database_that_is_away_is_bad(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(_connection: object) -> None:
            raise OperationalError("connection refused")

        monkeypatch.setattr("tasks.checks.MigrationExecutor", away)
        (found,) = check_database()
        assert found.level == Level.BAD
        assert "connection refused" in found.text

    def test_debug_is_bad(self) -> None:
        with override_settings(DEBUG=True):
            assert troubles(check_settings()) == {"debug": Level.BAD}

    def test_any_host_is_a_hint(self) -> None:
        with override_settings(ALLOWED_HOSTS=["*"]):
            assert [found.level for found in check_settings()] == [Level.HINT]
        with override_settings(ALLOWED_HOSTS=["taskyard.example"]):
            assert list(check_settings()) == []


class TestDataFolder:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        tmp_path.chmod(0o700)
        config = get_config().model_copy(update={"taskyard_data": tmp_path})
        monkeypatch.setattr("tasks.checks.get_config", lambda: config)
        return tmp_path

    def test_a_private_one_is_well(self, folder: Path) -> None:
        assert [found.level for found in check_data_folder()] == [Level.OK]
        assert warn_about_data_folder() == []

    @pytest.mark.parametrize(
        ("mode", "level"), [(0o755, Level.WARNING), (0o777, Level.BAD)]
    )
    def test_an_open_one_is_found(self, folder: Path, mode: int, level: Level) -> None:
        folder.chmod(mode)
        assert troubles(check_data_folder()) == {"data-folder": level}

    def test_an_open_secret_is_bad(self, folder: Path) -> None:
        secret = folder / "secret_key"
        secret.write_text("x")
        secret.chmod(0o644)
        assert troubles(check_data_folder()) == {"data-folder": Level.BAD}
        (warning,) = warn_about_data_folder()
        assert (warning.id, str(secret) in warning.msg) == ("tasks.W001", True)

    def test_no_folder_is_no_fault(self, folder: Path) -> None:
        folder.rmdir()
        assert list(check_data_folder()) == []


@pytest.mark.django_db
def test_redis_that_is_away_is_one_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise BrokerUnavailable("connection refused")

    monkeypatch.setattr("tasks.server_checks.read_server_facts", away)
    found = troubles(examine())
    assert found["redis"] == Level.BAD
    assert "workers" not in found
