"""A command of the worker's host, where the settings allow it."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from pydantic import Field

from tasks.builtin._paths import OptionalPath, absolute, cannot_read
from tasks.builtin._text import first_line, lines, printable, show_path, show_size
from tasks.conf import get_config
from tasks.errors import TaskFailed
from tasks.process import die_with_parent
from tasks.registry import task
from tasks.text import gettext as _
from tasks.text import gettext_noop, join_sentences
from tasks.worker.context import current_job

#: Of the output so many bytes are kept from its beginning and from its end.
HEAD, TAIL = 4 << 10, 12 << 10

#: So many bytes of the output's end stand in the sentence of a failure.
SAID = 2_000

#: Seconds that a command has to end by itself after SIGTERM.
GRACE = 2.0

#: Seconds to read what an ended command left in the pipe.
DRAIN = 0.5

#: Settings with passwords, which a command does not inherit.
SECRETS = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY")


@task(
    name="run_command",
    timeout=24 * 3600 + 60,
    description=gettext_noop(
        "Run a command on the worker's host; off unless TASKYARD_SHELL allows it."
    ),
)
async def run_command(
    command: Annotated[list[str], Field(min_length=1)],
    folder: OptionalPath = None,
    *,
    timeout_seconds: Annotated[float, Field(gt=0, le=86_400)] = 300,
    allow_failure: bool = False,
) -> dict[str, Any]:
    """Run a command on the worker's host; off unless TASKYARD_SHELL allows it.

    `command` is the program and its arguments, one by one: no shell reads them, so
    neither quotes nor pipes nor `*` mean anything. Of the output the beginning (4 KB)
    and the end (12 KB) are kept. Another exit code than 0 fails the job, unless
    `allow_failure`. After `timeout_seconds`, at its end and when the job is stopped,
    the command and all processes of its group are killed.
    """
    if not get_config().taskyard_shell:
        raise TaskFailed(
            _(
                "Commands are switched off. An administrator can allow them with"
                " TASKYARD_SHELL=1 where the workers run."
            )
        )
    started = time.monotonic()
    output = _Output()
    code = await _run(command, _folder(folder), output, timeout_seconds)
    if code != 0 and not allow_failure:
        raise _failed(command, code, output)
    return {
        "exit_code": code,
        "output": output.text(),
        "output_bytes": output.size,
        "output_cut": output.is_cut,
        "seconds": round(time.monotonic() - started, 2),
    }


def _folder(folder: Path | None) -> Path | None:
    if folder is None:
        return None
    folder = absolute(folder)
    if not folder.is_dir():
        raise TaskFailed(
            _("%(path)s is no folder on this worker's host.")
            % {"path": show_path(folder)}
        )
    return folder


async def _run(
    command: list[str], folder: Path | None, output: _Output, seconds: float
) -> int:
    """Run to the end and return the exit code, negative for a signal."""
    async with _pipe(output) as (given, drained):
        process = await _start(command, folder, given)
        given.close()
        try:
            async with asyncio.timeout(seconds):
                return await process.wait()
        except TimeoutError as error:
            await _end_politely(process)
            await drained()
            raise _timed_out(command, seconds, output) from error
        finally:
            # Also when the job is stopped, and for what an ended command left behind.
            _signal_group(process, signal.SIGKILL)
            await process.wait()


@asynccontextmanager
async def _pipe(
    output: _Output,
) -> AsyncIterator[tuple[BinaryIO, Callable[[], Awaitable[None]]]]:
    """Give the end of a pipe to write to; the other is read into `output`.

    Its own, not that of asyncio's subprocess, which would be waited for as long as any
    process holds it.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    ours, theirs = os.pipe()
    transport, _protocol = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb", 0)
    )
    reading = asyncio.ensure_future(output.read(reader))

    async def drained() -> None:
        await asyncio.wait({reading}, timeout=DRAIN)

    with os.fdopen(theirs, "wb", 0) as given:
        try:
            yield given, drained
            await drained()
        finally:
            reading.cancel()
            transport.close()


async def _start(command: list[str], folder: Path | None, output: BinaryIO) -> Process:
    environment = {k: v for k, v in os.environ.items() if k not in SECRETS}
    program = _program(command, folder)
    try:
        return await asyncio.create_subprocess_exec(
            program,
            *command[1:],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env=environment,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    except PermissionError as error:
        raise cannot_read(folder or Path(program), error) from error
    except (OSError, ValueError) as error:
        raise TaskFailed(
            _("%(program)s cannot be started: %(reason)s.")
            % {"program": printable(command[0]), "reason": first_line(error)}
        ) from error


def _program(command: list[str], folder: Path | None) -> str:
    """Return the path of the program, else raise TaskFailed with the likely cause."""
    name = command[0]
    path = str((folder or Path()) / name) if os.sep in name else name
    found = shutil.which(path)
    if found:
        return os.path.abspath(found)
    sentence = _("There is no program %(program)s on this worker's host.")
    if len(command) == 1 and " " in name.strip():
        advice = _("Give the program and its arguments one by one.")
        sentence = join_sentences(sentence, advice)
    elif Path(path).is_file():
        sentence = _("%(program)s is no program: it may not be executed.")
    raise TaskFailed(sentence % {"program": printable(name)})


async def _end_politely(process: Process) -> None:
    _signal_group(process, signal.SIGTERM)
    with suppress(TimeoutError):
        async with asyncio.timeout(GRACE):
            await process.wait()


def _signal_group(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


class _Output:
    """What a command says: its beginning, its end, and how much it was."""

    def __init__(self) -> None:
        self.size = 0
        self._head = bytearray()
        self._tail = bytearray()

    @property
    def is_cut(self) -> bool:
        return self.size > len(self._head) + len(self._tail)

    async def read(self, reader: asyncio.StreamReader) -> None:
        job = current_job()
        while block := await reader.read(64 << 10):
            self.add(block)
            last = block.rstrip().rpartition(b"\n")[2]
            job.progress(self.size, None, printable(lines(last[-400:])))

    def add(self, block: bytes) -> None:
        self.size += len(block)
        room = HEAD - len(self._head)
        self._head += block[:room]
        self._tail += block[room:]
        del self._tail[:-TAIL]

    def text(self) -> str:
        if not self.is_cut:
            return lines(bytes(self._head + self._tail))
        left_out = show_size(self.size - len(self._head) - len(self._tail))
        gap = _("[… %(size)s left out …]") % {"size": left_out}
        return f"{lines(bytes(self._head))}\n{gap}\n{lines(bytes(self._tail))}"

    def last(self) -> str:
        """Return the end of the output for a sentence, or that there was none."""
        said = lines(bytes((self._head + self._tail)[-SAID:])).strip()
        if not said:
            return _("It said nothing.")
        return _("The end of its output: %(said)s") % {"said": said}


def _failed(command: list[str], code: int, output: _Output) -> TaskFailed:
    if code < 0:
        sentence = _("%(command)s was ended by %(signal)s.")
    else:
        sentence = _(
            "%(command)s ended with exit code %(code)s; allow_failure would accept it."
        )
    facts = {"command": _show(command), "code": code, "signal": _signal_name(-code)}
    return TaskFailed(join_sentences(sentence % facts, output.last()))


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return _("signal %(number)s") % {"number": number}


def _timed_out(command: list[str], seconds: float, output: _Output) -> TaskFailed:
    sentence = _(
        "%(command)s did not end within %(seconds)s s and was killed. Allow more time,"
        " or find out what it waits for."
    )
    facts = {"command": _show(command), "seconds": f"{seconds:g}"}
    return TaskFailed(join_sentences(sentence % facts, output.last()))


def _show(command: list[str]) -> str:
    return printable(shlex.join(command), 200)
