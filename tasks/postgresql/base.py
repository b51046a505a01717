"""The database backend that settings name for a PostgreSQL ledger.

Neither PostgreSQL's own limits nor TCP's end the wait for a server that is frozen or
behind a network that swallows packets; so the client counts for itself.
"""

from __future__ import annotations

from typing import Any, ClassVar

import psycopg
from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is given up when an answer takes too long."""

    #: Seconds; None where jobs may ask questions that take hours.
    answer_within: ClassVar[float | None] = None

    def wait(
        self, gen: Any, interval: float = 0.1, timeout: float | None = None
    ) -> Any:
        try:
            return super().wait(gen, interval, timeout or self.answer_within)
        except psycopg.OperationalError:
            # Nobody knows what the server does with the question: it is not asked again
            # on this connection.
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = super().get_new_connection(conn_params)
        # Django has no setting for the class.
        connection.__class__ = BoundedConnection
        return connection
