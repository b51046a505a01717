"""A consistent dump of a PostgreSQL database, by its own pg_dump."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tasks.builtin._paths import cannot_write
from tasks.builtin._text import lines, printable, show_size
from tasks.errors import TaskFailed
from tasks.process import die_with_parent
from tasks.text import gettext as _
from tasks.worker.context import current_job

#: Schemes of database URLs that mean PostgreSQL, as in DATABASE_URL.
SCHEMES = ("postgresql", "postgres", "postgis", "pgsql")

#: Seconds between two looks at a running dump.
LOOK_INTERVAL = 0.2

#: Seconds to wait for a server that does not answer.
CONNECT_TIMEOUT = 15


def parse(url: str) -> tuple[dict[str, Any], str | None]:
    """Return the connection parameters of a URL without the password, and the password.

    Raises TaskFailed for what is no such URL, without repeating it.
    """
    try:
        found = conninfo_to_dict("postgresql" + url[url.index("://") :])
    except (psycopg.ProgrammingError, ValueError):
        # libpq's message repeats the URL, and with it the password.
        raise TaskFailed(
            _(
                "The database's address is not a PostgreSQL URL. It looks like"
                " postgresql://user@host:5432/name."
            )
        ) from None
    parameters: dict[str, Any] = dict(found)
    if parameters.pop("sslpassword", None):
        raise TaskFailed(
            _("sslpassword cannot be given in the address; use a key without one.")
        )
    password = parameters.pop("password", None)
    parameters.setdefault("connect_timeout", CONNECT_TIMEOUT)
    return parameters, str(password) if password else None


def dump(parameters: dict[str, Any], password: str | None, target: Path) -> None:
    """Write pg_dump's custom format to `target` and read its table of contents back.

    The password goes by the environment, because every user of the host can read
    argument lists.
    """
    environment = {**os.environ, **({"PGPASSWORD": password} if password else {})}
    command = [
        _program("pg_dump"),
        "--format=custom",
        "--no-password",
        f"--dbname={make_conninfo(**parameters)}",
    ]
    try:
        with target.open("wb") as out:
            _run(command, environment, out, target, parameters)
    except OSError as error:
        raise cannot_write(target, error) from error
    current_job().progress(0, None, _("checking the dump"))
    with open(os.devnull, "wb") as nowhere:
        listing = [_program("pg_restore"), "--list", str(target)]
        _run(listing, environment, nowhere, target, parameters)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise TaskFailed(
            _(
                "%(program)s is not installed on this worker's host. Install the client"
                " programs of PostgreSQL (on Debian: apt install postgresql-client),"
                " not older than the server."
            )
            % {"program": name}
        )
    return found


def _run(
    command: list[str],
    environment: dict[str, str],
    out: IO[bytes],
    target: Path,
    parameters: dict[str, Any],
) -> None:
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
            preexec_fn=die_with_parent,
        )
        try:
            _follow(process, target)
        finally:
            process.kill()
            process.wait()
        if process.returncode:
            errors.seek(0)
            said = lines(errors.read(4_000)).strip()
            raise _failure(command[0], process.returncode, said, parameters)


def _follow(process: subprocess.Popen[bytes], target: Path) -> None:
    job = current_job()
    while True:
        try:
            process.wait(LOOK_INTERVAL)
        except subprocess.TimeoutExpired:
            written = show_size(target.stat().st_size)
            job.progress(0, None, _("%(size)s written") % {"size": written})
        else:
            return


def _failure(
    program: str, code: int, said: str, parameters: dict[str, Any]
) -> TaskFailed:
    if "no password supplied" in said or "password authentication failed" in said:
        advice = _(
            "Check the user and the password; it can stand in ~/.pgpass of the user who"
            " runs this worker."
        )
    elif "version mismatch" in said:
        advice = _("Install the client programs of the server's version.")
    else:
        advice = _("Check the address, and that the server runs and can be reached.")
    return TaskFailed(
        _("%(program)s of database %(name)s failed (exit code %(code)s): %(said)s")
        % {
            "program": Path(program).name,
            "name": printable(str(parameters.get("dbname", "")), 100),
            "code": code,
            "said": " ".join(said.split())[:1_000],
        }
        + " "
        + advice
    )
