"""The database backend that settings name for a ledger in a file."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.backends.sqlite3 import base


class DatabaseWrapper(base.DatabaseWrapper):
    #: Seconds that a writer waits for the others.
    lock_within: ClassVar[float] = 20.0

    def get_connection_params(self) -> dict[str, Any]:
        return {**super().get_connection_params(), "timeout": self.lock_within}
