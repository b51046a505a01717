"""The checksums of a tree, and the files in it that are there twice."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal

from tasks.builtin import _tree
from tasks.builtin._paths import (
    BLOCK,
    OptionalPath,
    absolute,
    cannot_read,
    cannot_write,
    exists_already,
    new_file,
)
from tasks.builtin._text import first_line, show_path, show_size, within_budget
from tasks.errors import TaskFailed
from tasks.registry import task
from tasks.text import gettext as _
from tasks.text import gettext_noop
from tasks.worker.context import JobContext, current_job

#: Lists in the result are cut here; the report file has every checksum.
LARGEST, GROUPS, COPIES, PROBLEMS = 100, 50, 10, 50

Algorithm = Literal["sha256", "sha1", "sha512", "blake2b", "md5"]


@task(
    name="checksums",
    timeout=6 * 3600,
    description=gettext_noop(
        "Compute the checksums of all files under a path and find duplicates."
    ),
)
def checksums(
    path: Path,
    report: OptionalPath = None,
    *,
    algorithm: Algorithm = "sha256",
    only_duplicates: bool = False,
    cross_file_systems: bool = False,
) -> dict[str, Any]:
    """Compute the checksums of all files under a path and find duplicates.

    `report` is a new file (or a folder for one) that gets a line for every file, in the
    form that `sha256sum --check` reads. `only_duplicates` reads only files that share
    their size with another. Symbolic links are not followed, special files are skipped
    and counted, and what cannot be read, vanishes or changes meanwhile is listed.
    Memory stays bounded: files are read in blocks of 1 MiB, their names wait in a
    temporary database (about 250 bytes a file in the temporary folder).
    """
    path, started = absolute(path), time.monotonic()
    target = _report_path(report, algorithm)
    _check_readable(path)
    try:
        with _tree.catalogue() as found, _report(target) as out:
            run = _Run(found, out, algorithm, only_duplicates=only_duplicates)
            run.scan(path, cross=cross_file_systems)
            run.hash_all()
            facts = {"path": show_path(path), "algorithm": algorithm}
            facts |= run.summary() | {"report": target and show_path(target)}
    except sqlite3.Error as error:
        raise TaskFailed(
            _(
                "The list of files does not fit into the temporary folder: %(reason)s."
                " Make room there, or set TMPDIR to a larger one for the worker."
            )
            % {"reason": first_line(error)}
        ) from error
    return facts | {"seconds": round(time.monotonic() - started, 2)}


def _report_path(report: Path | None, algorithm: str) -> Path | None:
    if report is None:
        return None
    report = absolute(report)
    if report.is_dir():
        report /= f"checksums-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.{algorithm}"
    if report.exists():
        raise exists_already(report)
    return report


def _check_readable(path: Path) -> None:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            os.scandir(path).close()
        elif stat.S_ISREG(mode):
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError as error:
        raise cannot_read(path, error) from error
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise TaskFailed(
            _("%(path)s is a device, pipe or socket; name a folder or a regular file.")
            % {"path": show_path(path)}
        )


@contextmanager
def _report(target: Path | None) -> Iterator[BinaryIO | None]:
    if target is None:
        yield None
        return
    with new_file(target) as temporary, temporary.open("wb") as out:
        try:
            yield out
            out.flush()
        except OSError as error:
            raise cannot_write(target, error) from error


class _Run:
    """One run over one tree."""

    def __init__(
        self,
        found: _tree.Catalogue,
        out: BinaryIO | None,
        algorithm: str,
        *,
        only_duplicates: bool,
    ) -> None:
        self.found = found
        self.out = out
        self.algorithm = algorithm
        self.only_duplicates = only_duplicates
        self.files = 0
        self.job: JobContext = current_job()

    def scan(self, path: Path, *, cross: bool) -> None:
        """Catalogue the tree, without the report that may be growing in it."""
        own = os.fstat(self.out.fileno()) if self.out else None
        files = (
            (name, facts)
            for name, facts in _tree.walk(os.fsencode(path), self.found, cross=cross)
            if own is None or not os.path.samestat(own, facts)
        )
        for added in self.found.add(files):
            self.files += added
            self.job.progress(
                0, None, _("%(count)s files found") % {"count": f"{self.files:,}"}
            )
        self.found.index()

    def hash_all(self) -> None:
        only_twins = self.only_duplicates
        files, size = self.found.totals(only_twins=only_twins)
        done = read = 0
        for batch in self.found.batches(only_twins=only_twins):
            for entry in batch:
                self._hash_one(entry, read, max(size, 1), f"{done:,} / {files:,}")
                done += 1
                read += entry.size
        self.job.progress(1, 1, f"{done:,} / {files:,}")

    def _hash_one(self, entry: _tree.Entry, read: int, size: int, text: str) -> None:
        try:
            digest = self._digest(entry, read, size, text)
        except OSError as error:
            self.found.note_problem(entry.path, _tree.reason(error))
            return
        if digest is None:
            self.found.note_problem(entry.path, _("it changed while it was read"))
            return
        self.found.note_digest(entry, digest)
        if self.out:
            self.out.write(_report_line(entry.path, digest))

    def _digest(
        self, entry: _tree.Entry, read: int, size: int, text: str
    ) -> bytes | None:
        """Return the checksum, or None where the file changed since the walk saw it.

        O_NOFOLLOW and O_NONBLOCK, because another file may stand there by now.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with open(os.open(entry.path, flags), "rb", buffering=0) as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode) or before.st_size != entry.size:
                return None
            digest = hashlib.new(self.algorithm, usedforsecurity=False)
            seen = 0
            while seen <= entry.size and (block := file.read(BLOCK)):
                digest.update(block)
                seen += len(block)
                self.job.progress(min(read + seen, size - 1), size, text)
            after = os.fstat(file.fileno())
        same = before.st_mtime_ns == after.st_mtime_ns and seen == after.st_size
        return digest.digest() if same else None

    def summary(self) -> dict[str, Any]:
        files, size = self.found.totals()
        return {
            "files": files,
            "bytes": size,
            "size": show_size(size),
            "duplicates": self._duplicates(),
            "largest": self._largest(),
            "skipped": {
                "symlinks": self.found.skipped["symlinks"],
                "special_files": self.found.skipped["special"],
                "other_file_systems": self.found.skipped["file_systems"],
            },
            "problems": self._problems(),
        }

    def _duplicates(self) -> dict[str, Any]:
        groups, files, wasted = self.found.duplicate_totals()
        listed = within_budget(
            (self._group(*row) for row in self.found.duplicates(GROUPS)), GROUPS
        )
        return {
            "groups": groups,
            "files": files,
            "wasted_bytes": wasted,
            "wasted": show_size(wasted),
            "listed": listed,
            "left_out": groups - len(listed),
        }

    def _group(
        self, digest: bytes, size: int, copies: int, wasted: int
    ) -> dict[str, Any]:
        paths = [show_path(p) for p in self.found.copies(digest, size, COPIES)]
        return {
            "bytes": size,
            "copies": copies,
            "wasted_bytes": wasted,
            "checksum": digest.hex(),
            "paths": paths,
            "left_out": copies - len(paths),
        }

    def _largest(self) -> dict[str, Any]:
        listed = within_budget(
            (
                {
                    "path": show_path(path),
                    "bytes": size,
                    "checksum": digest.hex() if digest else None,
                }
                for path, size, digest in self.found.largest(LARGEST)
            ),
            LARGEST,
        )
        return {"listed": listed, "left_out": self.files - len(listed)}

    def _problems(self) -> dict[str, Any]:
        count, first = self.found.problems(PROBLEMS)
        listed = within_budget(
            ({"path": show_path(path), "reason": why} for path, why in first),
            PROBLEMS,
            10_000,
        )
        return {"count": count, "listed": listed, "left_out": count - len(listed)}


def _report_line(path: bytes, digest: bytes) -> bytes:
    """Return a line for `sha256sum --check`, escaped as coreutils do."""
    escaped = path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    mark = b"\\" if escaped != path else b""
    return mark + digest.hex().encode() + b"  " + escaped + b"\n"
