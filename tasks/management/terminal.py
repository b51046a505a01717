"""What commands share: exit codes, tables, and text that cannot steer a terminal."""

from __future__ import annotations

import json
from argparse import SUPPRESS
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from tasks import errors
from tasks.schedules.errors import BackfillNotFound
from tasks.text import gettext as _

#: Exit codes, beside 0.
FAILED = 1
BAD_INPUT = 2
INTERRUPTED = 130

#: What is the caller's to put right.
INPUT_ERRORS = (
    errors.CalendarNotFound,
    errors.IdempotencyConflict,
    errors.InvalidArguments,
    errors.InvalidOption,
    errors.JobExists,
    errors.PayloadTooLarge,
    errors.QueueNotFound,
    errors.ScheduleExists,
    errors.ScheduleNotFound,
    errors.TaskNotRegistered,
    errors.WorkerNotFound,
    BackfillNotFound,
)


def add_json_option(parser: CommandParser, words: str) -> None:
    """Add --json so that it may stand before a command's verb as well as behind it."""
    parser.add_argument("--json", action="store_true", default=SUPPRESS, help=_(words))


@contextmanager
def command_errors() -> Iterator[None]:
    """End the command with one sentence and the exit code that fits."""
    try:
        yield
    except INPUT_ERRORS as error:
        raise CommandError(str(error), returncode=BAD_INPUT) from error
    except errors.TasksError as error:
        raise CommandError(str(error), returncode=FAILED) from error
    except UnicodeEncodeError as error:
        if error.encoding != "utf-8":  # it is the terminal's that cannot show something
            raise
        sentence = _("An argument is not valid UTF-8 text.")
        raise CommandError(sentence, returncode=BAD_INPUT) from error
    except DatabaseError as error:
        sentence = _("The database cannot be used (%(reason)s): run manage.py migrate.")
        raise CommandError(sentence % {"reason": error}, returncode=FAILED) from error


def printable(text: str) -> str:
    """Return `text` on one line, without characters that steer a terminal."""
    return "".join(c if c.isprintable() else "·" for c in text)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table whose columns are as wide as their widest cell."""
    lines = [heads, *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = zip(line, widths, strict=True)
        yield "  ".join(cell.ljust(width) for cell, width in cells).rstrip()


def to_json(value: Any) -> str:
    """Return one line of JSON; moments are written as ISO 8601."""
    return json.dumps(value, ensure_ascii=False, default=_write)


def _write(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def short(duration: timedelta | None) -> str:
    """Return a duration in its largest sensible unit: 0.1 s, 42 s, 5 min, 3 h, 2 d."""
    if duration is None:
        return ""
    seconds = max(0.0, duration.total_seconds())
    if seconds < 10:
        return f"{seconds:.1f} s"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"
