"""A consistent copy of an SQLite database that others may be writing."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from tasks.builtin._paths import cannot_write, open_regular
from tasks.builtin._text import first_line, printable, show_path, show_size
from tasks.errors import TaskFailed
from tasks.text import gettext as _
from tasks.worker.context import current_job

#: Pages that are copied at a time, between which writers get their turn.
STEP = 1_000

#: Seconds to wait for a database that another program has locked.
LOCK_TIMEOUT = 30

#: How often writers may make the copy begin again before it locks them out.
MAX_RESTARTS = 3

_MAGIC = b"SQLite format 3\x00"


class _Restarted(Exception):
    """Raised when writers have made the copy begin again too often."""


def check(source: Path) -> int:
    """Return the size of a database in bytes. Raises TaskFailed where it is none."""
    with open_regular(source) as file:
        start = file.read(len(_MAGIC))
        size = os.fstat(file.fileno()).st_size
    if start and start != _MAGIC:
        raise TaskFailed(
            _(
                "%(path)s is not an SQLite database, or it is encrypted. Name the"
                " database file itself."
            )
            % {"path": show_path(source)}
        )
    return size


def copy(source: Path, target: Path) -> dict[str, Any]:
    """Copy `source` into the empty file `target`; return facts about the copy.

    With a write-ahead log one read transaction spans the copy: it is the state of its
    beginning, and writers go on. Without a log that would hold writers up, so pages are
    copied step by step, and SQLite begins again when somebody writes; after three times
    writers are held up until the copy is done.
    """
    try:
        with _reading(source) as reader, closing(sqlite3.connect(target)) as writer:
            wal = _pragma(reader, "PRAGMA journal_mode") == "wal"
            restarts = _copy_pages(reader, writer, held=wal)
            # Without this the copy would be opened with a log beside it.
            writer.execute("PRAGMA journal_mode = DELETE")
            pages = _pragma(writer, "PRAGMA page_count")
    except sqlite3.Error as error:
        raise _failure(source, target, error) from error
    _check_integrity(source, target)
    return {"pages": pages, "begun_again": restarts, "integrity": "ok"}


@contextmanager
def _reading(source: Path) -> Iterator[sqlite3.Connection]:
    uri = f"{source.as_uri()}?mode=ro"
    with closing(
        sqlite3.connect(uri, uri=True, timeout=LOCK_TIMEOUT, isolation_level=None)
    ) as connection:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield connection


def _copy_pages(
    reader: sqlite3.Connection, writer: sqlite3.Connection, *, held: bool
) -> int:
    watch = _Watch(limit=None if held else MAX_RESTARTS)
    try:
        if held:
            _hold(reader)
        reader.backup(writer, pages=STEP, progress=watch, sleep=0.05)
    except _Restarted:
        _hold(reader)
        watch.limit = None
        reader.backup(writer, pages=STEP, progress=watch, sleep=0.05)
    return watch.restarts


def _hold(reader: sqlite3.Connection) -> None:
    """Begin the read transaction that keeps the pages as they are."""
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM sqlite_master").fetchone()


class _Watch:
    """Follows the steps: reports progress and counts new beginnings."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.restarts = 0
        self._left: int | None = None
        self._job = current_job()

    def __call__(self, status: int, left: int, total: int) -> None:
        if self._left is not None and left > self._left:
            self.restarts += 1
        self._left = left
        done = total - left
        self._job.progress(
            min(done, total - 1),
            total,
            _("%(done)s of %(total)s pages") % {"done": done, "total": total},
        )
        if self.limit is not None and self.restarts >= self.limit:
            raise _Restarted


def _check_integrity(source: Path, target: Path) -> None:
    current_job().progress(0, None, _("checking the copy"))
    try:
        with closing(sqlite3.connect(target)) as connection:
            problem = _pragma(connection, "PRAGMA integrity_check(1)")
    except sqlite3.Error as error:
        problem = error
    if problem != "ok":
        raise TaskFailed(
            _(
                "%(path)s is damaged, so its copy was thrown away: %(problem)s. Keep"
                " the last good backup, and repair the database (sqlite3's .recover)."
            )
            % {"path": show_path(source), "problem": printable(str(problem))}
        )


def _pragma(connection: sqlite3.Connection, command: str) -> Any:
    return connection.execute(command).fetchone()[0]


def _failure(source: Path, target: Path, error: sqlite3.Error) -> TaskFailed:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _full(target)):
        return cannot_write(target, OSError(28, _("no space is left on the disk")))
    sentences = {
        sqlite3.SQLITE_BUSY: _(
            "%(path)s has been locked by another program for %(seconds)s s. Try again"
            " when that program has ended its transaction."
        ),
        sqlite3.SQLITE_CANTOPEN: _(
            "%(path)s cannot be opened: its folder must be readable, and writable where"
            " the database has a write-ahead log (-wal)."
        ),
        sqlite3.SQLITE_CORRUPT: _(
            "%(path)s is damaged: %(reason)s. Keep the last good backup, and repair the"
            " database (sqlite3's .recover)."
        ),
    }
    sentence = sentences.get(code, _("%(path)s cannot be copied: %(reason)s."))
    return TaskFailed(
        sentence
        % {
            "path": show_path(source),
            "reason": first_line(error),
            "seconds": LOCK_TIMEOUT,
        }
    )


def _full(target: Path) -> bool:
    with suppress(OSError):
        facts = os.statvfs(target.parent)
        return facts.f_bavail * facts.f_frsize < 1 << 20
    return False


def check_room(folder: Path, size: int) -> None:
    """Raise TaskFailed where `folder` has no room for `size` bytes."""
    facts = os.statvfs(folder)
    free = facts.f_bavail * facts.f_frsize
    if free < size:
        raise TaskFailed(
            _(
                "The backup takes up to %(size)s and %(folder)s has %(free)s left. Make"
                " room there, or choose another folder."
            )
            % {
                "size": show_size(size),
                "folder": show_path(folder),
                "free": show_size(free),
            }
        )
