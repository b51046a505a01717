"""Many rows in one statement, whose text is made once from the model.

For each batch the ORM builds an instance of every row and compiles the statement anew,
which costs several times what the database itself needs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from zlib import crc32

from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import DateTimeField, Field, JSONField, Model

#: Rows for which PostgreSQL's COPY is not worth its three statements.
FEW = 20

#: Text, number, boolean, aware datetime or None for each column; JSON is given as text.
Row = tuple[Any, ...]


@dataclass(frozen=True)
class BulkInsert:
    """Writes rows of one model; `changes` says what those get that are there already."""

    model: type[Model]
    #: What each row holds, in this order.
    columns: Sequence[str]
    #: What new rows hold in other columns, where that is not the model's default (which
    #: must be the same for every row).
    defaults: Mapping[str, Any] = field(default_factory=dict)
    #: Column to expression; `old` is the row that is there, `excluded` the one given.
    changes: Mapping[str, str] = field(default_factory=dict)

    def write(self, rows: Sequence[Row]) -> None:
        """Insert the rows, or change those whose keys are there. No key comes twice.

        Many rows need a transaction around them.
        """
        if not rows:
            return
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql" and len(rows) > FEW:
                self._copy(cursor, rows)
            else:
                self._insert_values(cursor, rows)

    def _insert_values(self, cursor: CursorWrapper, rows: Sequence[Row]) -> None:
        values: Any = list(self._naive(rows) if connection.vendor == "sqlite" else rows)
        if len(values) == 1:  # psycopg's executemany takes a round trip more
            cursor.execute(self._insert, values[0])
        else:
            cursor.executemany(self._insert, values)

    def _copy(self, cursor: CursorWrapper, rows: Sequence[Row]) -> None:
        """Send the rows by COPY, which is half the work of sending them as values."""
        names, shape = ", ".join(self.columns), self._shape
        given = f"given_{crc32(shape.encode()):x}"
        cursor.execute(
            f"CREATE TEMP TABLE IF NOT EXISTS {given} ({shape}) ON COMMIT DELETE ROWS"
        )
        # An earlier write of the same transaction left its rows.
        cursor.execute(f"DELETE FROM {given}")  # noqa: S608 - a name made above
        with (
            connection.wrap_database_errors,
            cursor.copy(f"COPY {given} ({names}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(row)
        cursor.execute(f"{self._insert_from} FROM {given}{self._merge}")

    @cached_property
    def _insert(self) -> str:
        values = ["%s"] * len(self.columns)
        values += [_literal(value) for value in self._constants.values()]
        return f"{self._into} VALUES ({', '.join(values)}){self._merge}"

    @cached_property
    def _insert_from(self) -> str:
        values = [f"CAST({name} AS {self._type(name)})" for name in self.columns]
        values += [
            f"CAST({_literal(value)} AS {self._type(name)})"
            for name, value in self._constants.items()
        ]
        return f"{self._into} SELECT {', '.join(values)}"

    @property
    def _into(self) -> str:
        names = ", ".join([*self.columns, *self._constants])
        return f"INSERT INTO {self.model._meta.db_table} AS old ({names})"

    @property
    def _merge(self) -> str:
        if not self.changes:
            return ""
        key = self.model._meta.pk.column
        pairs = ", ".join(f"{name} = {sql}" for name, sql in self.changes.items())
        return f" ON CONFLICT ({key}) DO UPDATE SET {pairs}"

    @cached_property
    def _constants(self) -> dict[str, Any]:
        others = self._fields.keys() - set(self.columns)
        return {
            name: self.defaults.get(name, _default(self._fields[name]))
            for name in sorted(others)
        }

    @property
    def _fields(self) -> dict[str, Field[Any, Any]]:
        return {f.attname: f for f in self.model._meta.concrete_fields}

    def _type(self, name: str) -> str:
        # A cast to varchar(n) would cut what is too long; the column refuses it.
        kind = str(self._fields[name].db_type(connection))
        return "text" if kind.startswith("varchar") else kind

    @cached_property
    def _shape(self) -> str:
        """The columns of a table that takes rows as they are given."""
        kinds = {
            name: "text" if isinstance(self._fields[name], JSONField) else kind
            for name, kind in zip(
                self.columns, map(self._type, self.columns), strict=True
            )
        }
        return ", ".join(f"{name} {kind}" for name, kind in kinds.items())

    def _naive(self, rows: Sequence[Row]) -> Iterator[Any]:
        """Give moments the form in which Django keeps them in SQLite."""
        for row in rows:
            values = list(row)
            for place in self._moments:
                if values[place] is not None:
                    values[place] = _naive_text(values[place])
            yield values

    @cached_property
    def _moments(self) -> list[int]:
        places = enumerate(self.columns)
        return [i for i, c in places if isinstance(self._fields[c], DateTimeField)]


def _naive_text(moment: datetime) -> str:
    return str(moment.astimezone(UTC).replace(tzinfo=None))


def _default(column: Field[Any, Any]) -> Any:
    value = column.get_default()
    if isinstance(column, JSONField) and value is not None:
        return json.dumps(value)
    return value


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)
