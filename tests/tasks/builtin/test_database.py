from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from tasks.builtin import _postgres, _sqlite, database
from tasks.builtin.database import backup_database
from tasks.errors import TaskFailed
from tasks.worker.context import JobContext, enter_job
from tests.conftest import PATIENCE, wait_until
from tests.postgres import Cluster, find_program, require_postgres
from tests.tasks.builtin.conftest import Configure
from tests.tasks.builtin.memory import growth_in_mb

#: Moves money between two accounts, over and over, until it is killed.
WRITER = """
import sqlite3, sys
c = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
n = 0
while True:
    c.execute("BEGIN IMMEDIATE")
    c.execute("UPDATE account SET amount = amount - 1 WHERE id = 1")
    c.execute("UPDATE account SET amount = amount + 1 WHERE id = 2000")
    c.execute("INSERT INTO entry VALUES (?)", (n,))
    c.execute("COMMIT")
    n += 1
"""


def make_database(path: Path, *, journal: str = "wal", rows: int = 2_000) -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute(
            "CREATE TABLE account (id INTEGER PRIMARY KEY, amount, fill)"
        )
        connection.execute("CREATE TABLE entry (n)")
        connection.executemany(
            "INSERT INTO account VALUES (?, 100, ?)",
            ((n, "x" * 2_000) for n in range(1, rows + 1)),
        )
    return path


def query(path: Path | str, command: str) -> Any:
    with closing(sqlite3.connect(path, timeout=PATIENCE)) as connection:
        return connection.execute(command).fetchone()[0]


@contextmanager
def being_written(path: Path) -> Iterator[None]:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)])
    try:
        wait_until(lambda: query(path, "SELECT count(*) FROM entry") > 10)
        yield
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_a_backup_taken_while_others_write_is_consistent(
    tmp_path: Path, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sqlite, "STEP", 20)
    source = make_database(tmp_path / "bank.db", journal=journal)
    with being_written(source):
        result = backup_database(str(source), tmp_path / "out")
    assert query(result["file"], "SELECT sum(amount) FROM account") == 200_000
    moved = query(result["file"], "SELECT amount FROM account WHERE id = 2000") - 100
    assert moved == query(result["file"], "SELECT count(*) FROM entry") > 10
    assert result["integrity"] == "ok"


def test_writers_go_on_while_a_log_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sqlite, "STEP", 20)
    source = make_database(tmp_path / "bank.db")
    seen = during_backup(source, tmp_path, write_one)
    assert seen["begun_again"] == 0
    assert query(source, "SELECT count(*) FROM entry") == 1
    assert query(seen["file"], "SELECT count(*) FROM entry") == 0


def test_a_copy_that_writers_interrupt_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sqlite, "STEP", 20)
    source = make_database(tmp_path / "bank.db", journal="delete")
    seen = during_backup(source, tmp_path, write_one)
    assert seen["begun_again"] == 1
    assert query(seen["file"], "SELECT count(*) FROM entry") == 1


def write_one(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO entry VALUES (0)")


def during_backup(source: Path, folder: Path, act: Any) -> dict[str, Any]:
    """Back up, and act once, in the middle of it."""
    calls = []

    class Watch(_sqlite._Watch):
        def __call__(self, status: int, left: int, total: int) -> None:
            super().__call__(status, left, total)
            calls.append(left)
            if len(calls) == 3:
                act(source)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_sqlite, "_Watch", Watch)
        return backup_database(str(source), folder / "out")


def test_the_copy_needs_no_log_and_is_private(tmp_path: Path) -> None:
    source = make_database(tmp_path / "bank.db")
    result = backup_database(f"sqlite:///{source}", tmp_path / "out")
    file = Path(result["file"])
    assert query(file, "PRAGMA journal_mode") == "delete"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [p.name for p in (tmp_path / "out").iterdir()] == [file.name]
    json.dumps(result)


def test_the_ledger_is_backed_up_unless_another_is_named(
    tmp_path: Path, configure: Configure
) -> None:
    configure(TASKYARD_DATA=str(tmp_path))
    make_database(tmp_path / database.LEDGER)
    result = backup_database()
    assert Path(result["file"]).parent == tmp_path / "backups"


def test_progress_counts_the_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.worker.context.PROGRESS_INTERVAL", 0)
    seen: list[dict[str, Any]] = []
    enter_job(JobContext(id="1", sink=lambda kind, fields: seen.append(fields)))
    try:
        backup_database(str(make_database(tmp_path / "a.db", rows=6_000)), tmp_path)
    finally:
        enter_job(JobContext())
    assert seen[0]["text"].endswith(" pages")
    assert seen[-1]["done"] == seen[-1]["total"]


def test_a_damaged_database_leaves_no_backup(tmp_path: Path) -> None:
    source = make_database(tmp_path / "bank.db", journal="delete")
    with source.open("r+b") as file:
        file.seek(4096 * 100)
        file.write(b"\xff" * 4096)
    with pytest.raises(TaskFailed, match=r"bank\.db is damaged"):
        backup_database(str(source), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_locked_database_is_said_plainly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sqlite, "LOCK_TIMEOUT", 0)
    source = make_database(tmp_path / "bank.db", journal="delete")
    with closing(sqlite3.connect(source, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(TaskFailed, match="locked by another program"):
            backup_database(str(source), tmp_path / "out")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{}/gone.db", "There is no"),
        ("{}", "is a folder"),
        ("{}/text.db", "is not an SQLite database"),
        ("mysql://root:geheim@host/db", "mysql databases cannot be backed up"),
        ("postgresql://u:geheim@host/db?nonsense=1", "not a PostgreSQL URL"),
    ],
)
def test_what_is_no_database_is_said_plainly(
    tmp_path: Path, given: str, said: str
) -> None:
    (tmp_path / "text.db").write_text("some text that is long enough")
    with pytest.raises(TaskFailed, match=said) as failed:
        backup_database(given.format(tmp_path), tmp_path / "out")
    assert "geheim" not in str(failed.value)


def test_a_folder_that_cannot_be_written_is_said_plainly(tmp_path: Path) -> None:
    source = make_database(tmp_path / "bank.db")
    with pytest.raises(TaskFailed, match="cannot be written"):
        backup_database(str(source), Path("/proc/nowhere"))


def test_a_full_disk_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_database(tmp_path / "bank.db")
    full = os.statvfs_result((4096, 4096, 100, 0, 0, 0, 0, 0, 0, 255))
    monkeypatch.setattr(_sqlite.os, "statvfs", lambda path: full)
    with pytest.raises(TaskFailed, match=r"has 0 bytes left\. Make room"):
        backup_database(str(source), tmp_path / "out")


def test_memory_does_not_grow_with_the_database(tmp_path: Path) -> None:
    source = make_database(tmp_path / "large.db", rows=60_000)
    assert source.stat().st_size > 120_000_000
    grown = growth_in_mb(
        "from tasks.builtin.database import backup_database",
        f"backup_database({str(source)!r}, {str(tmp_path / 'out')!r})",
    )
    assert grown < 40


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """Start a PostgreSQL server of its own; give the URL of its superuser."""
    require_postgres()
    with Cluster() as cluster:
        yield cluster.url()


def execute(url: str, *commands: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for command in commands:
            connection.execute(command)  # type: ignore[arg-type]


def test_a_postgresql_database_is_dumped_and_can_be_restored(
    postgres: str, tmp_path: Path
) -> None:
    execute(
        postgres,
        "DROP TABLE IF EXISTS account",
        "CREATE TABLE account AS SELECT n FROM generate_series(1, 1000) n",
    )
    result = backup_database(postgres, tmp_path)
    execute(postgres, "DROP TABLE account")
    restore = [find_program("pg_restore"), f"--dbname={postgres}", result["file"]]
    subprocess.run(restore, check=True)
    with psycopg.connect(postgres) as connection:
        row = connection.execute("SELECT sum(n) FROM account").fetchone()
    assert row == (500_500,)
    assert stat.S_IMODE(os.stat(result["file"]).st_mode) == 0o600
    assert password_of(postgres) not in json.dumps(result)


def password_of(url: str) -> str:
    return urlsplit(url).password or ""


def test_the_password_goes_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[str], dict[str, str]]] = []

    def note(command: list[str], environment: dict[str, str], *rest: Any) -> None:
        seen.append((command, environment))

    monkeypatch.setattr(_postgres, "_run", note)
    backup_database(
        "postgres://u:geheim@db.example:5433/shop?sslmode=require", tmp_path
    )
    command, environment = seen[0]
    assert "geheim" not in " ".join(command)
    assert environment["PGPASSWORD"] == "geheim"
    assert "port=5433" in command[-1]
    assert "sslmode=require" in command[-1]


def test_a_wrong_password_is_said_plainly(postgres: str, tmp_path: Path) -> None:
    with pytest.raises(TaskFailed, match="authentication failed") as failed:
        backup_database(
            postgres.replace(password_of(postgres), "falsch"), tmp_path / "out"
        )
    assert "falsch" not in str(failed.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_missing_pg_dump_is_said_plainly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TaskFailed, match="pg_dump is not installed on this worker"):
        backup_database("postgresql://u@host/db", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
