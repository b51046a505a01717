"""The data folder: made, found writable, and held by one supervisor at a time."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import ConfigurationError
from tasks.text import gettext as _

LOCK_NAME = "up.lock"

#: Where other commands find the embedded Valkey; `tasks.conf` reads it.
REDIS_URL_NAME = "redis.url"

#: Where doctor finds who may reach the pages; `tasks.checks` reads it.
PAGES_NAME = "pages.address"


@contextmanager
def held_folder(folder: Path) -> Iterator[None]:
    """Hold `folder` while the block runs, however this process ends.

    Raises ConfigurationError when it cannot be written or another process holds it. The
    lock file stays: to remove it would let two processes hold two files of one name.
    """
    lock = _open_lock(folder)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(_in_use(folder, lock)) from error
        os.truncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(lock)


def _open_lock(folder: Path) -> int:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigurationError(
            _(
                "The data folder %(folder)s cannot be written (%(reason)s):"
                " choose another with --data or TASKYARD_DATA."
            )
            % {"folder": folder, "reason": error.strerror}
        ) from error


def _in_use(folder: Path, lock: int) -> str:
    holder = os.pread(lock, 32, 0).decode().strip() or "?"
    return _(
        "Taskyard runs on the data folder %(folder)s already (process %(pid)s):"
        " stop it, or choose another folder with --data."
    ) % {"folder": folder, "pid": holder}


@contextmanager
def noted(folder: Path, name: str, text: str) -> Iterator[None]:
    """Keep a line in the folder, for its owner's eyes only, while the block runs."""
    path = folder / name
    path.unlink(missing_ok=True)
    with os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w"
    ) as f:
        f.write(f"{text}\n")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
