from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.test import override_settings

from tasks import __version__
from tasks.broker.inspection import RQ_VERSION
from tasks.broker.snapshot import QueueDepth, RedisHealth, Snapshot, WorkerInfo
from tasks.checks import (
    UNREADABLE_SHOWN,
    Finding,
    Level,
    check_data_folder,
    check_database,
    check_pages,
    check_settings,
    check_spool,
    examine_processes,
    warn_about_data_folder,
)
from tasks.conf import get_config
from tasks.supervisor.folder import PAGES_NAME, noted
from tasks.worker.spool import Spooled, folder_of, set_aside, spooling

NOW = datetime(2026, 1, 1, tzinfo=UTC)

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
            (
                {
                    "queues": (QueueDepth("default", 3, 0, 0, 0, "x", NOW),),
                    "workers": (replace(WORKER, quiet_since=NOW),),
                },
                {"queues": Level.BAD},
            ),
            (
                {"workers": (replace(WORKER, clock_ahead=-2.0),)},
                {"host-clock": Level.WARNING},
            ),
            (
                {"workers": (WORKER, replace(WORKER, host="far", clock_ahead=90.0))},
                {"host-clock": Level.BAD},
            ),
            ({"queues": (QueueDepth("low", 0, 0, 3, 0, None, None),)}, {}),
        ],
    )
    def test_each_trouble_is_found(
        self, change: dict[str, object], found: dict[str, Level]
    ) -> None:
        snapshot = replace(SNAPSHOT, **change)  # type: ignore[arg-type]
        assert troubles(examine_processes(snapshot)) == found

    def test_a_wrong_clock_names_its_host(self) -> None:
        workers = (replace(WORKER, host="far", clock_ahead=-90.0),)
        found = examine_processes(replace(SNAPSHOT, workers=workers))
        assert [one.text for one in found if one.check == "host-clock"] == [
            "The clock of far differs from Redis' by -90.0 s, so times on pages are"
            " wrong: let NTP set it."
        ]

    def test_a_queue_that_nobody_serves_names_the_way_out(self) -> None:
        queue = QueueDepth("low", 1, 0, 0, 0, "x", NOW)
        found = list(examine_processes(replace(SNAPSHOT, queues=(queue,))))
        texts = [finding.text for finding in found if finding.check == "queues"]
        assert texts == [
            "1 job waits in queue low, on which no worker listens:"
            " run manage.py worker --queues low."
        ]

    def test_a_queue_that_only_quiet_workers_serve_names_the_way_out(self) -> None:
        quiet = replace(WORKER, queues=("low",), quiet_since=NOW)
        queue = QueueDepth("low", 1, 0, 0, 0, "x", NOW)
        shown = replace(SNAPSHOT, queues=(queue,), workers=(quiet,))
        texts = [one.text for one in examine_processes(shown) if one.check == "queues"]
        assert texts == [
            "1 job waits in queue low, whose workers are all quiet: wake one on the"
            " Workers page."
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

    @pytest.mark.parametrize(
        ("address", "found"),
        [
            ("127.0.0.1:8000", {}),
            ("[::1]:8000", {}),
            ("0.0.0.0:8000", {"pages-open": Level.WARNING}),
            ("[::]:8000", {"pages-open": Level.WARNING}),
            ("taskyard.example:80", {"pages-open": Level.WARNING}),
        ],
    )
    def test_pages_that_others_can_reach_are_told_of(
        self, folder: Path, address: str, found: dict[str, Level]
    ) -> None:
        with noted(folder, PAGES_NAME, address):
            assert troubles(check_pages()) == found
        assert list(check_pages()) == []

    def test_no_folder_is_no_fault(self, folder: Path) -> None:
        folder.rmdir()
        assert list(check_data_folder()) == []
        assert list(check_spool()) == []

    def test_ends_that_redis_was_not_told_of_are_named(self, folder: Path) -> None:
        for worker in ("w1", "w2"):
            with spooling(folder_of(folder), Spooled(worker, "vm-3", ())):
                pass
        (found,) = check_spool()
        assert found.level == Level.WARNING
        assert found.text.startswith(f"2 files in {folder_of(folder)} hold ends")

    def test_a_file_of_ends_that_nobody_can_read_is_named(self, folder: Path) -> None:
        folder_of(folder).mkdir()
        for number in range(UNREADABLE_SHOWN + 1):
            path = folder_of(folder) / f"w{number}.jsonl"
            path.write_text("garbage")
            set_aside(path)
        found = list(check_spool())
        assert {one.check for one in found} == {"spool-unreadable"}
        assert len(found) == UNREADABLE_SHOWN
        assert f"{folder_of(folder)}/w0.jsonl.unreadable" in found[0].text
