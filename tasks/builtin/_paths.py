"""Opening what people name and writing what they get: checked, private, atomic."""

from __future__ import annotations

import os
import pwd
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, BinaryIO

from pydantic import BeforeValidator

from tasks.builtin._text import first_line, show_path
from tasks.errors import TaskFailed
from tasks.text import gettext as _

#: A path that a form may leave empty.
OptionalPath = Annotated[Path | None, BeforeValidator(lambda given: given or None)]

#: Blocks in which files are read, in bytes.
BLOCK = 1 << 20


def absolute(path: Path) -> Path:
    """Return `path` from the root, `~` and the worker's own folder filled in."""
    try:
        return path.expanduser().absolute()
    except RuntimeError as error:
        raise TaskFailed(
            _("%(path)s: there is no such user; give the whole path.")
            % {"path": show_path(path)}
        ) from error


def cannot_read(path: Path, error: OSError) -> TaskFailed:
    """Return the failure that says why `path` cannot be read, and the way out."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        sentence = _(
            "There is no %(path)s on this worker's host. Check the path for typing"
            " errors, and that this host is the one that has it."
        )
    elif isinstance(error, PermissionError):
        sentence = _(
            "%(path)s may not be read by the user %(user)s, who runs this worker. Give"
            " that user the permission, or choose another path."
        )
    else:
        sentence = _("%(path)s cannot be read: %(reason)s.")
    return TaskFailed(sentence % _facts(path, error))


def cannot_write(path: Path, error: OSError) -> TaskFailed:
    """Return the failure that says why `path` cannot be written, and the way out."""
    if isinstance(error, PermissionError):
        sentence = _(
            "%(path)s may not be written by the user %(user)s, who runs this worker."
            " Give that user the permission, or choose another place."
        )
    else:
        sentence = _("%(path)s cannot be written: %(reason)s. Choose another place.")
    return TaskFailed(sentence % _facts(path, error))


def _facts(path: Path, error: OSError) -> dict[str, object]:
    return {"path": show_path(path), "user": _user(), "reason": first_line(error)}


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container may run under a number that has no name
        return str(os.geteuid())


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading. Raises TaskFailed where it is none.

    O_NONBLOCK, because opening a fifo would otherwise wait for its writer.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise cannot_read(path, error) from error
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        sentence = _("%(path)s is a folder; name one file in it.")
    else:
        sentence = _("%(path)s is a device, pipe or socket; name a regular file.")
    raise TaskFailed(sentence % {"path": show_path(path)})


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`, moved to `path` when all went well.

    The file is readable by its owner only, is on the disk before it gets its name, and
    never replaces another. Raises TaskFailed where it cannot be made.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        yield temporary
        _publish(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _publish(temporary: Path, path: Path) -> None:
    _sync(temporary)
    try:
        os.link(temporary, path)
    except FileExistsError as error:
        raise exists_already(path) from error
    except OSError:  # a file system without hard links
        if path.exists():
            raise exists_already(path) from None
        temporary.rename(path)
    with suppress(OSError):  # some network file systems cannot sync a folder
        _sync(path.parent)


def exists_already(path: Path) -> TaskFailed:
    return TaskFailed(
        _("%(path)s exists already and is left as it is. Choose another name.")
        % {"path": show_path(path)}
    )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder where there is none, for its owner only."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
