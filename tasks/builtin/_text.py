"""How the tasks that ship put names, sizes and lists into a result that people read."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

#: A list in a result takes at most so many bytes of JSON.
LIST_BUDGET = 20_000

#: The escape sequences of terminals.
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")

#: What neither a page nor every database takes, in runs.
_UNREADABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffd]+")

_UNITS = ("bytes", "KB", "MB", "GB", "TB", "PB")


def printable(text: str, limit: int = 200) -> str:
    """Return `text` on one line, cut to `limit`, fit for JSON and every database.

    Control characters and lone surrogates, which PostgreSQL or UTF-8 refuse, are
    escaped.
    """
    text = text[: limit + 1]
    if not text.isprintable():
        text = "".join(map(_escape, text))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _escape(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")


def lines(data: bytes) -> str:
    """Return a program's output as text, without colours and control characters."""
    text = _COLOURS.sub("", data.decode("utf-8", "replace").replace("\r\n", "\n"))
    return _UNREADABLE.sub("\ufffd", text)


def show_path(path: Path | bytes | str) -> str:
    """Return a path for people; bytes that are not UTF-8 are escaped."""
    return printable(os.fsencode(path).decode("utf-8", "backslashreplace"), 1_000)


def show_size(size: float) -> str:
    """Return a number of bytes for people, in powers of 1,024."""
    for unit in _UNITS:
        if size < 1024 or unit == _UNITS[-1]:
            break
        size /= 1024
    return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"


def within_budget(
    rows: Iterable[Any], count: int, budget: int = LIST_BUDGET
) -> list[Any]:
    """Return the first `count` of `rows`, fewer where they take over `budget` bytes."""
    return list(_take(islice(rows, count), budget))


def _take(rows: Iterable[Any], budget: int) -> Iterator[Any]:
    for row in rows:
        budget -= len(json.dumps(row)) + 2
        if budget < 0:
            return
        yield row


def first_line(error: BaseException) -> str:
    """Return what an error of the system or a library says, in one short line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return printable(str(error).strip().partition("\n")[0], 300) or type(error).__name__
