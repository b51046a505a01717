"""A digest of a log or a CSV file of any size: counts, percentiles, top values."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from tasks.builtin import _csv, _log
from tasks.builtin._lines import Lines, open_lines
from tasks.builtin._paths import absolute
from tasks.builtin._text import printable, show_path, show_size
from tasks.errors import TaskFailed
from tasks.registry import task
from tasks.text import gettext as _
from tasks.text import gettext_noop
from tasks.worker.context import current_job

_CSV_NAME = re.compile(r"\.[ct]sv(\.gz)?$", re.IGNORECASE)


# Seven parameters: a form asks for each, and a group of them could not be a field.
@task(
    name="digest_file",
    timeout=6 * 3600,
    description=gettext_noop(
        "Count what is in a log or CSV file: levels, hours, percentiles, top values."
    ),
)
def digest_file(
    path: Path,
    kind: Literal["auto", "log", "csv"] = "auto",
    *,
    column: str = "",
    pattern: str = "",
    delimiter: Literal["auto", "comma", "semicolon", "tab", "pipe"] = "auto",
    header: bool = True,
    top: Annotated[int, Field(ge=1, le=50)] = 10,
) -> dict[str, Any]:
    """Count what is in a log or CSV file: levels, hours, percentiles, top values.

    `kind` auto takes *.csv and *.tsv (also .gz) for CSV and all else for a log. For
    CSV: `column` is a name or a number from 1; empty: the first 50 columns. For logs:
    `pattern` is a regular expression whose first group finds a value in each line.
    Gzipped files are read as they are; text is UTF-8 unless the file says otherwise.

    Memory does not grow with the file. Percentiles are exact below 4,096 values;
    above, the result says by what share of the values a rank can be off (0.4 % at most
    for 100 million). Counts of top values are exact up to 2,000 different values;
    above, the result says by how much they can be too low (0.1 % at most), and lists
    only values that are surely more frequent than the rest.
    """
    path, started = absolute(path), time.monotonic()
    is_csv = kind == "csv" or (kind == "auto" and _CSV_NAME.search(path.name))
    _check(pattern, column, is_csv=bool(is_csv))
    with open_lines(path) as lines:
        if is_csv:
            facts = _csv.digest(
                lines, column=column, delimiter=delimiter, has_header=header, top=top
            )
        else:
            facts = _log.digest(lines, pattern=_compiled(pattern), top=top)
    current_job().progress(1, 1, _("%(count)s lines") % {"count": f"{lines.count:,}"})
    return _about(lines) | {
        "kind": "csv" if is_csv else "log",
        **facts,
        **lines.notes(),
        "seconds": round(time.monotonic() - started, 2),
    }


def _about(lines: Lines) -> dict[str, Any]:
    return {
        "path": show_path(lines.path),
        "bytes": lines.size,
        "size": show_size(lines.size),
    }


def _check(pattern: str, column: str, *, is_csv: bool) -> None:
    if is_csv and pattern:
        raise TaskFailed(_("A pattern is for logs; choose a column of a CSV instead."))
    if not is_csv and column:
        raise TaskFailed(
            _("A column is for CSV files; choose the kind csv, or a pattern for a log.")
        )


def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern) if pattern else None
    except re.error as error:
        raise TaskFailed(
            _("The pattern is no regular expression: %(reason)s.")
            % {"reason": printable(str(error))}
        ) from error
