from __future__ import annotations

from pathlib import Path

import dj_database_url
import pytest

from tasks.broker.embedded import EmbeddedServer
from tasks.conf import Config
from tasks.supervisor.banner import banner
from tasks.supervisor.options import Options
from tasks.supervisor.programs import all_programs, child_environment


def names(options: Options) -> list[str]:
    return [program.name for program in all_programs(options, {})]


def test_the_pages_start_first() -> None:
    expected = ["web", "recorder", "worker-1", "worker-2", "scheduler"]
    assert names(Options()) == expected
    assert names(Options(demo=True)) == [*expected, "demo"]


def test_the_recorder_stops_last_and_the_pages_before_the_workers() -> None:
    programs = sorted(all_programs(Options(workers=1, demo=True), {}), key=stage_of)
    assert [program.name for program in reversed(programs)] == [
        "demo",
        "web",
        "scheduler",
        "worker-1",
        "recorder",
    ]


def stage_of(program: object) -> int:
    return program.stage  # type: ignore[attr-defined, no-any-return]


def test_a_worker_is_killed_only_after_its_jobs_had_their_grace() -> None:
    [worker] = [p for p in all_programs(Options(grace=60), {}) if p.name == "worker-1"]
    assert worker.command[-2:] == ("--grace", "60")
    assert worker.grace > 60


def test_the_deaths_of_workers_are_reported_and_no_others() -> None:
    programs = all_programs(Options(workers=2, demo=True), {})
    told = [program.name for program in programs if program.ended]
    assert told == ["worker-1", "worker-2"]


def test_the_workers_of_the_demo_serve_its_queues_and_those_of_every_task() -> None:
    programs = all_programs(Options(demo=True), {})
    [worker] = [program for program in programs if program.name == "worker-1"]
    assert worker.command[-1] == "checks,reports,backups,default,emails"


def test_the_ledger_is_named_however_its_folder_is_called(tmp_path: Path) -> None:
    config = Config(taskyard_data=tmp_path / "a b#c", database_url="")
    environment = child_environment(config, "unix:///x")
    named = dj_database_url.parse(environment["DATABASE_URL"])["NAME"]
    assert named == str(tmp_path / "a b#c" / "taskyard.sqlite3")


def test_the_demo_may_check_its_own_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TASKYARD_PRIVATE_URLS", raising=False)
    assert "TASKYARD_PRIVATE_URLS" not in child_environment(Config(), "unix:///x")
    allowed = child_environment(Config(), "unix:///x", demo=True)
    assert allowed["TASKYARD_PRIVATE_URLS"] == "1"


def test_the_banner_has_the_line_that_joins_a_second_machine(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, ("192.0.2.7", 6379))
    config = Config(taskyard_tasks=("jobs", "more"))
    said = banner(Options(), config, server, None)
    assert (
        f"  REDIS_URL=redis://default:{server.password}@192.0.2.7:6379/0"
        " TASKYARD_TASKS=jobs,more .venv/bin/python manage.py worker\n"
    ) in said
