"""A catalogue of the files under a path, in bounded memory.

It lies in a temporary SQLite database without a name: SQLite keeps its newest pages in
memory and the rest in the temporary folder (about 250 bytes a file), so that ten
million files take little more memory than ten.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

#: Files that are read from the catalogue, or written to it, at a time.
BATCH = 500

# The cache of 16 MB bounds the memory. Names of one inode (hard links) count as one
# file, which takes its space once.
_SCHEMA = """
PRAGMA temp_store = FILE;
PRAGMA cache_size = -16384;
CREATE TABLE file (
    id INTEGER PRIMARY KEY, path BLOB, size INTEGER, inode TEXT,
    twin INTEGER DEFAULT 0, digest BLOB
);
CREATE TABLE problem (path BLOB, reason TEXT);
CREATE VIEW duplicate AS
    SELECT digest, size, count(*) AS copies,
        (count(DISTINCT inode) - 1) * size AS wasted
    FROM file WHERE digest IS NOT NULL AND size > 0
    GROUP BY digest, size HAVING count(DISTINCT inode) > 1;
"""

_MARK_TWINS = """
UPDATE file SET twin = 1 WHERE size IN
    (SELECT size FROM file WHERE size > 0 GROUP BY size HAVING count(*) > 1)
"""


@dataclass(frozen=True)
class Entry:
    """One regular file as the walk saw it."""

    id: int
    path: bytes
    size: int


class Catalogue:
    """The files of one tree, their digests, and what could not be read."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        #: What the walk passed by: symlinks, special files, other file systems.
        self.skipped: Counter[str] = Counter()

    def add(self, files: Iterable[tuple[bytes, os.stat_result]]) -> Iterator[int]:
        """Add files; yield how many were added, batch by batch."""
        rows = ((path, s.st_size, f"{s.st_dev}:{s.st_ino}") for path, s in files)
        while batch := list(islice(rows, BATCH)):
            self._connection.executemany(
                "INSERT INTO file (path, size, inode) VALUES (?, ?, ?)", batch
            )
            yield len(batch)

    def index(self) -> None:
        """Prepare the questions by size; call it after the last `add`."""
        self._connection.execute("CREATE INDEX file_size ON file (size)")
        self._connection.execute(_MARK_TWINS)

    def totals(self, *, only_twins: bool = False) -> tuple[int, int]:
        """Return (files, bytes); `only_twins`: of files that share their size."""
        row = self._row(
            "SELECT count(*), sum(size) FROM file WHERE twin >= ?", only_twins
        )
        return row[0], row[1] or 0

    def batches(self, *, only_twins: bool) -> Iterator[list[Entry]]:
        """Yield the files in the order of the walk; digests may be noted meanwhile."""
        after = 0
        while rows := self._connection.execute(
            "SELECT id, path, size FROM file WHERE id > ? AND twin >= ?"
            " ORDER BY id LIMIT ?",
            (after, only_twins, BATCH),
        ).fetchall():
            after = rows[-1][0]
            yield [Entry(*row) for row in rows]

    def note_digest(self, entry: Entry, digest: bytes) -> None:
        self._connection.execute(
            "UPDATE file SET digest = ? WHERE id = ?", (digest, entry.id)
        )

    def note_problem(self, path: bytes, reason: str) -> None:
        self._connection.execute("INSERT INTO problem VALUES (?, ?)", (path, reason))

    def largest(self, limit: int) -> Iterator[tuple[bytes, int, bytes | None]]:
        return self._connection.execute(
            "SELECT path, size, digest FROM file ORDER BY size DESC, path LIMIT ?",
            (limit,),
        )

    def duplicate_totals(self) -> tuple[int, int, int]:
        """Return (groups, files in them, bytes that all but one copy take)."""
        groups, files, wasted = self._row(
            "SELECT count(*), sum(copies), sum(wasted) FROM duplicate"
        )
        return groups, files or 0, wasted or 0

    def duplicates(self, limit: int) -> Iterator[tuple[bytes, int, int, int]]:
        """Yield (digest, size, copies, wasted bytes), the most wasteful first."""
        return self._connection.execute(
            "SELECT * FROM duplicate ORDER BY wasted DESC LIMIT ?", (limit,)
        )

    def copies(self, digest: bytes, size: int, limit: int) -> Iterator[bytes]:
        rows = self._connection.execute(
            "SELECT path FROM file WHERE size = ? AND digest = ? LIMIT ?",
            (size, digest, limit),
        )
        return (row[0] for row in rows)

    def problems(self, limit: int) -> tuple[int, list[tuple[bytes, str]]]:
        """Return how many problems there were, and the first of them."""
        rows = self._connection.execute("SELECT * FROM problem LIMIT ?", (limit,))
        return self._row("SELECT count(*) FROM problem")[0], rows.fetchall()

    def _row(self, query: str, *values: int) -> tuple[Any, ...]:
        row: tuple[Any, ...] = self._connection.execute(query, values).fetchone()
        return row


@contextmanager
def catalogue() -> Iterator[Catalogue]:
    """Give an empty catalogue, removed at the end."""
    with closing(sqlite3.connect("", isolation_level=None)) as connection:
        connection.executescript(_SCHEMA)
        connection.execute("BEGIN")
        yield Catalogue(connection)


def walk(
    root: bytes, found: Catalogue, *, cross: bool = False
) -> Iterator[tuple[bytes, os.stat_result]]:
    """Yield each regular file under `root` with its facts; note what is passed by.

    Symbolic links are not followed, and other file systems not entered unless `cross`.
    """
    facts = os.stat(root)
    if stat.S_ISREG(facts.st_mode):
        yield root, facts
        return
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        for entry in _entries(folder, found):
            try:
                seen = entry.stat(follow_symlinks=False)
            except OSError as error:
                found.note_problem(entry.path, reason(error))
                continue
            if stat.S_ISREG(seen.st_mode):
                yield entry.path, seen
            elif not stat.S_ISDIR(seen.st_mode):
                found.skipped["symlinks" if entry.is_symlink() else "special"] += 1
            elif seen.st_dev != facts.st_dev and not cross:
                found.skipped["file_systems"] += 1
            else:
                waiting.append(entry.path)


def _entries(folder: bytes, found: Catalogue) -> Iterator[os.DirEntry[bytes]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError as error:
        found.note_problem(folder, reason(error))


def reason(error: OSError) -> str:
    """Return why a file was not read, in the system's words."""
    return error.strerror or type(error).__name__
