"""The digest of a CSV file, column by column."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from tasks.builtin._lines import LINE_LIMIT, Lines
from tasks.builtin._text import printable, show_path, within_budget
from tasks.builtin._values import Values
from tasks.errors import TaskFailed
from tasks.text import gettext as _

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}

#: Columns that are digested unless one is named.
MAX_COLUMNS = 50

#: A row over several lines may have so many characters.
ROW_LIMIT = 4 << 20

#: Columns that a sentence lists.
LISTED = 20


def digest(
    lines: Lines, *, column: str, delimiter: str, has_header: bool, top: int
) -> dict[str, Any]:
    """Return the digest of a CSV file. Raises TaskFailed where it is none."""
    rows = _Rows(lines, delimiter)
    first = next(iter(rows), None)
    if first is None:
        raise _no_csv(lines, _("it is empty"))
    names = first if has_header else [f"{n}" for n in range(1, len(first) + 1)]
    chosen = _choose(names, column)
    columns = {number: Values(names[number]) for number in chosen}
    run = _Run(columns, len(names))
    if not has_header:
        run.add([first])
    for batch in rows.batches():
        run.add(batch)
    if run.ragged * 2 > run.rows:
        raise _no_csv(
            lines,
            _("%(ragged)s of its %(rows)s rows have another number of columns")
            % {"ragged": f"{run.ragged:,}", "rows": f"{run.rows:,}"},
        )
    listed = within_budget(
        (values.summary(top) for values in columns.values()), MAX_COLUMNS, 50_000
    )
    return {
        "rows": run.rows,
        "rows_with_other_length": run.ragged,
        "delimiter": rows.delimiter_name,
        "columns": listed,
        "columns_left_out": 0 if column else len(names) - len(listed),
    }


class _Rows:
    """The rows of a CSV file, without empty lines."""

    def __init__(self, lines: Lines, delimiter: str) -> None:
        self._lines = lines
        self._begun_at = 0
        source = self._guarded()
        first = next(source, "")
        self.delimiter_name = delimiter if delimiter != "auto" else _guess(first)
        self._reader = csv.reader(
            _chain(first, source), delimiter=DELIMITERS[self.delimiter_name]
        )

    def __iter__(self) -> Iterator[list[str]]:
        try:
            for row in self._reader:
                self._begun_at = self._lines.characters
                if row:
                    yield row
        except csv.Error as error:
            reason = _("line %(number)s: %(reason)s; is a quote left open?")
            facts = {"number": f"{self._reader.line_num:,}", "reason": str(error)}
            raise _no_csv(self._lines, reason % facts) from error

    def batches(self) -> Iterator[list[list[str]]]:
        batch: list[list[str]] = []
        since = self._lines.characters
        for row in self:
            batch.append(row)
            if self._lines.is_full(len(batch), since):
                yield batch
                self._lines.report()
                batch, since = [], self._lines.characters
        if batch:
            yield batch

    def _guarded(self) -> Iterator[str]:
        """Yield the lines while the row that they make stays within bounds."""
        for line in self._lines:
            if self._lines.cut or self._lines.characters - self._begun_at > ROW_LIMIT:
                raise _no_csv(
                    self._lines,
                    _("the row at line %(number)s has over %(limit)s characters")
                    % {
                        "number": f"{self._lines.count:,}",
                        "limit": f"{LINE_LIMIT if self._lines.cut else ROW_LIMIT:,}",
                    },
                )
            yield line


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    if first:
        yield first
    yield from rest


class _Run:
    """Adds rows to the chosen columns."""

    def __init__(self, columns: dict[int, Values], width: int) -> None:
        self._columns = columns
        self._width = width
        self.rows = 0
        self.ragged = 0

    def add(self, rows: list[list[str]]) -> None:
        self.rows += len(rows)
        self.ragged += sum(len(row) != self._width for row in rows)
        by_column = list(zip_longest(*(row[: self._width] for row in rows)))
        missing = (None,) * len(rows)
        for number, values in self._columns.items():
            values.add_all(by_column[number] if number < len(by_column) else missing)


def _choose(names: list[str], column: str) -> list[int]:
    """Return the positions of the columns to digest: all, or the one that is named."""
    if not column:
        return list(range(min(len(names), MAX_COLUMNS)))
    wanted = [name.strip() for name in names]
    if column.strip() in wanted:
        return [wanted.index(column.strip())]
    if column.isdecimal() and 1 <= int(column) <= len(names):
        return [int(column) - 1]
    listed = ", ".join(printable(name, 50) for name in names[:LISTED])
    raise TaskFailed(
        _(
            "There is no column %(column)s. The columns are: %(names)s. Give a name or"
            " a number from 1 to %(count)s."
        )
        % {
            "column": printable(column, 50),
            "names": listed + (" …" if len(names) > LISTED else ""),
            "count": len(names),
        }
    )


def _guess(line: str) -> str:
    """Return the delimiter that splits a line into the most columns."""
    return max(DELIMITERS, key=lambda name: _width(line, DELIMITERS[name]))


def _width(line: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=delimiter), []))
    except csv.Error:
        return 0


def _no_csv(lines: Lines, reason: str) -> TaskFailed:
    return TaskFailed(
        _(
            "%(path)s cannot be read as CSV: %(reason)s. Choose its delimiter, or the"
            " kind log for other text."
        )
        % {"path": show_path(lines.path), "reason": reason}
    )
