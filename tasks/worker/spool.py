"""Ends of attempts that Redis did not take before their worker had to leave, kept on disk.

One file each time that a worker leaves some: a line that says what it is, then a line of
JSON for each end.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

from tasks.broker.attempts import CLAIMED_FIELDS, Claimed, Settlement

#: How the first line begins; what has another one is no file of ours.
KIND, VERSION = "ends of attempts", 1

SUFFIX = ".jsonl"

#: Characters of a worker's name that the name of its file begins with.
LONGEST_NAME = 100

#: What a file that cannot be read is called from then on.
SET_ASIDE = ".unreadable"


class SpoolUnreadable(Exception):
    """Raised for a file that is not, or not in all its lines, one of ours."""


@dataclass(frozen=True)
class Spooled:
    """What one worker left behind."""

    worker: str
    host: str
    ends: Sequence[Settlement]


def folder_of(data: Path) -> Path:
    """Return where the files are in a data folder."""
    return data / "spool"


@contextlib.contextmanager
def spooling(folder: Path, spooled: Spooled) -> Iterator[Path]:
    """Write a file, safe from a crash, that no other worker reads within the block.

    Raises OSError where that cannot be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _file_name(spooled.worker)
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.writelines(f"{line}\n" for line in _lines(spooled))
        file.flush()
        os.fsync(file.fileno())
        unfinished.rename(path)
        _sync_folder(folder)
        yield path


def _file_name(worker: str) -> str:
    # Its own each time: a worker of the same name may have left one that nobody has sent.
    name = quote(worker, safe="")[:LONGEST_NAME]
    return f"{name}-{secrets.token_hex(8)}{SUFFIX}"


def _lines(spooled: Spooled) -> Iterator[str]:
    head = {"kind": KIND, "version": VERSION}
    yield json.dumps({**head, "worker": spooled.worker, "host": spooled.host})
    for end in spooled.ends:
        yield json.dumps(_plain(end))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def waiting_in(folder: Path) -> list[Path]:
    """Return the files that workers left."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def set_aside_in(folder: Path) -> list[Path]:
    """Return the files that nobody could read."""
    return sorted(folder.glob(f"*{SET_ASIDE}"))


@contextlib.contextmanager
def taking(path: Path) -> Iterator[Spooled | None]:
    """Read a file that no other worker reads within the block; None where one does.

    Raises SpoolUnreadable.
    """
    with contextlib.ExitStack() as stack:
        spooled = None
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            file = stack.enter_context(path.open())
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another worker may have removed it between the two.
            spooled = _read(file) if path.exists() else None
        yield spooled


def remove(path: Path) -> None:
    """Remove a file whose ends Redis has taken."""
    path.unlink(missing_ok=True)


def set_aside(path: Path) -> Path:
    """Rename a file so that no worker reads it again; returns its new name."""
    return path.rename(path.with_name(path.name + SET_ASIDE))


def _read(file: IO[str]) -> Spooled:
    try:
        head = json.loads(file.readline())
        if (head["kind"], head["version"]) != (KIND, VERSION):
            raise SpoolUnreadable
        return Spooled(head["worker"], head["host"], [_end(line) for line in file])
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise SpoolUnreadable(repr(error)) from error


def _plain(end: Settlement) -> dict[str, Any]:
    job = end.job
    values = zip(CLAIMED_FIELDS, job.values, strict=True)
    known = {name: _text(value) for name, value in values if value is not None}
    return {
        "job": [job.id, job.execution, job.queue, job.attempt],
        "values": known,
        "verb": end.verb,
        "started": end.started,
        "result": end.result,
        "traceback": end.traceback,
        "retry_after": end.retry_after,
        "facts": end.facts,
        "packed": end.packed,
    }


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _end(line: str) -> Settlement:
    fields = json.loads(line)
    job_id, execution, queue, attempt = fields.pop("job")
    known = fields.pop("values")
    values = [
        base64.b64decode(known[name]) if name in known else None
        for name in CLAIMED_FIELDS
    ]
    member = f"{job_id}:{execution}"
    job = Claimed(job_id, execution, queue, int(attempt), member, values)
    return Settlement(job=job, **fields)
