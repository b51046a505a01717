"""A consistent backup of an SQLite or PostgreSQL database while it is in use."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tasks.builtin import _postgres, _sqlite
from tasks.builtin._paths import OptionalPath, absolute, make_folder, new_file
from tasks.builtin._text import printable, show_path, show_size
from tasks.conf import get_config
from tasks.errors import TaskFailed
from tasks.registry import task
from tasks.text import gettext as _
from tasks.text import gettext_noop
from tasks.worker.context import current_job

logger = logging.getLogger(__name__)

#: Where Taskyard's own ledger lies when DATABASE_URL is not set.
LEDGER = "taskyard.sqlite3"


@task(
    name="backup_database",
    timeout=6 * 3600,
    description=gettext_noop(
        "Back up an SQLite or PostgreSQL database while it is in use."
    ),
)
def backup_database(database: str = "", folder: OptionalPath = None) -> dict[str, Any]:
    """Back up an SQLite or PostgreSQL database while it is in use.

    `database` is the path of an SQLite file, or a URL as in DATABASE_URL; empty: the
    ledger of this Taskyard. The backup gets a new file, named by database and UTC time,
    in `folder`; empty: `backups` in the data folder. The file appears only when it is
    whole and has been checked, and only its owner may read it.

    A password belongs into ~/.pgpass of the worker's user, because whoever may see the
    job reads its arguments; one in the URL works and is never shown by the task.
    """
    started = time.monotonic()
    folder = absolute(folder or get_config().taskyard_data / "backups")
    scheme, source = _split(database.strip() or _own_ledger())
    make_folder(folder)
    if scheme == "sqlite":
        facts = _back_up_sqlite(absolute(Path(source)), folder)
    else:
        facts = _back_up_postgres(source, folder)
    current_job().progress(1, 1, _("done"))
    return facts | {"seconds": round(time.monotonic() - started, 2)}


def _own_ledger() -> str:
    config = get_config()
    return config.database_url or str(config.taskyard_data / LEDGER)


def _split(database: str) -> tuple[str, str]:
    """Return ("sqlite", path) or ("postgresql", URL)."""
    scheme, separator, rest = database.partition("://")
    if not separator:
        return "sqlite", database
    if scheme == "sqlite":
        # As in DATABASE_URL: sqlite:///relative and sqlite:////absolute.
        return "sqlite", unquote(rest.partition("?")[0].removeprefix("/"))
    if scheme in _postgres.SCHEMES:
        return "postgresql", database
    raise TaskFailed(
        _(
            "%(scheme)s databases cannot be backed up by this task; give the path of an"
            " SQLite file, sqlite:///path, or postgresql://user@host/name."
        )
        % {"scheme": printable(scheme, 30)}
    )


def _back_up_sqlite(source: Path, folder: Path) -> dict[str, Any]:
    size = _sqlite.check(source)
    _sqlite.check_room(folder, size)
    target = folder / _name(source.stem, ".sqlite3")
    with new_file(target) as temporary:
        facts = _sqlite.copy(source, temporary)
        facts |= _describe(temporary)
    return {
        "database": show_path(source),
        "kind": "SQLite",
        "file": show_path(target),
        **facts,
    }


def _back_up_postgres(url: str, folder: Path) -> dict[str, Any]:
    parameters, password = _postgres.parse(url)
    if password and url != get_config().database_url:
        logger.warning(
            "the password stands in the arguments of this job, where everybody who may"
            " see the job reads it: move it to ~/.pgpass of the worker's user"
        )
    name = str(parameters.get("dbname") or parameters.get("user") or "postgres")
    target = folder / _name(name, ".pgdump")
    with new_file(target) as temporary:
        _postgres.dump(parameters, password, temporary)
        facts = _describe(temporary)
    return {
        "database": printable(name),
        "kind": "PostgreSQL",
        "file": show_path(target),
        "restore_with": f"pg_restore --dbname=… {show_path(target)}",
        **facts,
    }


def _name(database: str, suffix: str) -> str:
    plain = re.sub(r"[^\w.-]+", "_", database, flags=re.ASCII).strip("._")[:100]
    return f"{plain or 'database'}-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}{suffix}"


def _describe(file: Path) -> dict[str, Any]:
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    size = file.stat().st_size
    return {"bytes": size, "size": show_size(size), "sha256": digest}
