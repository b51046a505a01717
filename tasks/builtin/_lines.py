"""The lines of a text file of any size, plain or gzipped, in bounded memory."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tasks.builtin._paths import BLOCK, cannot_read, open_regular
from tasks.builtin._text import first_line, show_path
from tasks.errors import TaskFailed
from tasks.text import gettext as _
from tasks.worker.context import current_job

#: A line is cut after so many characters.
LINE_LIMIT = 1 << 20

#: Lines or rows that are digested together: at most so many, of so many characters.
BATCH_LINES, BATCH_CHARACTERS = 5_000, 4 << 20

_GZIP = b"\x1f\x8b"

_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


class Lines:
    """Iterates over the lines of one open file and counts what it saw."""

    def __init__(self, path: Path, raw: BinaryIO, text: io.TextIOWrapper) -> None:
        self.path = path
        self.size = os.fstat(raw.fileno()).st_size
        self.count = 0
        self.characters = 0
        #: Lines that were cut, and lines with bytes that are not in the encoding.
        self.cut = 0
        self.undecodable = 0
        self._raw = raw
        self._text = text
        self._job = current_job()

    def __iter__(self) -> Iterator[str]:
        try:
            yield from self._read()
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise TaskFailed(
                _(
                    "%(path)s is damaged or was not written to its end: its gzip data"
                    " breaks off after %(count)s lines (%(reason)s)."
                )
                % {
                    "path": show_path(self.path),
                    "count": f"{self.count:,}",
                    "reason": first_line(error),
                }
            ) from error
        except OSError as error:
            raise cannot_read(self.path, error) from error

    def _read(self) -> Iterator[str]:
        while line := self._text.readline(LINE_LIMIT):
            self.count += 1
            self.characters += len(line)
            if len(line) == LINE_LIMIT and line[-1] not in "\r\n":
                self.cut += 1
                self._skip_rest()
            if "\ufffd" in line:
                self.undecodable += 1
            yield line

    def _skip_rest(self) -> None:
        while (rest := self._text.readline(LINE_LIMIT)) and rest[-1] not in "\r\n":
            pass

    def batches(self) -> Iterator[list[str]]:
        """Yield the lines in bounded lists, reporting progress between them."""
        batch: list[str] = []
        since = 0
        for line in self:
            batch.append(line)
            if self.is_full(len(batch), since):
                yield batch
                self.report()
                batch, since = [], self.characters
        if batch:
            yield batch

    def is_full(self, count: int, since: int) -> bool:
        """Say whether a batch begun at `since` characters has enough in it."""
        return count >= BATCH_LINES or self.characters - since >= BATCH_CHARACTERS

    def report(self) -> None:
        done = min(self._raw.tell(), self.size - 1)
        text = _("%(count)s lines") % {"count": f"{self.count:,}"}
        self._job.progress(done, self.size, text)

    def notes(self) -> dict[str, int]:
        """Return what a reader should know about the lines, if anything."""
        notes = {"lines_cut": self.cut, "lines_not_in_encoding": self.undecodable}
        return {name: count for name, count in notes.items() if count}


@contextmanager
def open_lines(path: Path) -> Iterator[Lines]:
    """Open a text file: UTF-8 unless its first bytes say otherwise, gzipped or not.

    Raises TaskFailed where it cannot be read or is no text.
    """
    with open_regular(path) as raw:
        try:
            content = _content(raw)
            encoding = _encoding(path, content)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise TaskFailed(
                _("%(path)s is no intact gzip file: %(reason)s.")
                % {"path": show_path(path), "reason": first_line(error)}
            ) from error
        except OSError as error:
            raise cannot_read(path, error) from error
        text = io.TextIOWrapper(content, encoding, errors="replace", newline="")
        yield Lines(path, raw, text)


def _content(raw: BinaryIO) -> io.BufferedReader:
    start = raw.read(len(_GZIP))
    raw.seek(0)
    if start != _GZIP:
        return io.BufferedReader(raw, BLOCK)  # type: ignore[arg-type]
    return io.BufferedReader(gzip.GzipFile(fileobj=raw), BLOCK)


def _encoding(path: Path, content: io.BufferedReader) -> str:
    start = content.peek(BLOCK)[:BLOCK]
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    if b"\x00" in start:
        raise TaskFailed(
            _(
                "%(path)s is not text (it has zero bytes). Name a log or a CSV file,"
                " plain or gzipped."
            )
            % {"path": show_path(path)}
        )
    return "utf-8"
