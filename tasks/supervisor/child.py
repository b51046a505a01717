"""One process under the supervisor: started, listened to, restarted, stopped."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import uuid
from contextlib import suppress

from tasks.process import START, die_with_parent
from tasks.supervisor.backoff import count_deaths, restart_delay
from tasks.supervisor.console import Console, LineReader
from tasks.supervisor.program import Program, describe_ending
from tasks.text import gettext as _

#: Seconds to wait for the last words of a process that ended; a grandchild may hold
#: its output open for longer.
LAST_WORDS = 0.5

#: Seconds that a restart waits for whoever must know of the end.
END_TOLD_WITHIN = 3.0


class Child:
    """Keeps one program running until it is stopped.

    Processes are started by the event loop's thread, which must be the main one: the
    kernel kills a child when the thread that forked it ends.
    """

    def __init__(self, program: Program, console: Console) -> None:
        self.program = program
        self._console = console
        self._process: asyncio.subprocess.Process | None = None
        #: The name of this start, which the process may pass on (tasks/process.py).
        self._start = ""
        self._output: LineReader | None = None
        self._stopping = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process' id while it runs."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    async def start(self) -> None:
        """Start the process; raise OSError if its program cannot be executed."""
        await self._spawn()
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Ask the process to end, kill it after its grace, and wait for its end."""
        self._stopping.set()
        self._send(signal.SIGTERM)
        if self._keeper is None:
            return
        try:
            await asyncio.wait_for(asyncio.shield(self._keeper), self.program.grace)
        except TimeoutError:
            self._say(
                _("did not end within %(seconds)s s and is killed")
                % {"seconds": f"{self.program.grace:g}"}
            )
            self.kill()
            await self._keeper

    def kill(self) -> None:
        """End the process and all that it started, at once and for good."""
        self._stopping.set()
        self._kill_group()

    async def _keep(self) -> None:
        deaths = 0
        while True:
            ending, ran_for = await self._wait()
            if self._stopping.is_set():
                return
            deaths = count_deaths(deaths, ran_for)
            delay = restart_delay(deaths)
            self._say(
                _("%(ending)s; starts again in %(seconds)s s")
                % {"ending": ending, "seconds": f"{delay:g}"}
            )
            await self._tell_end()
            if await self._stopped_within(delay):
                return
            with suppress(OSError):  # counted as one more death by the next round
                await self._spawn()

    async def _wait(self) -> tuple[str, float]:
        """Wait for the end; return it in words, and for how many seconds it ran."""
        loop = asyncio.get_running_loop()
        started_at = loop.time()
        if self._process is None:
            return _("cannot be executed"), 0.0
        code = await self._process.wait()
        ran_for = loop.time() - started_at
        self._kill_group()
        if self._output is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._output.ended.wait(), LAST_WORDS)
        return describe_ending(code), ran_for

    async def _tell_end(self) -> None:
        """Tell whoever must know; that may take END_TOLD_WITHIN, and must not fail us."""
        if self.program.ended is None or self._process is None:
            return
        told = asyncio.to_thread(self.program.ended, self._start)
        try:
            await asyncio.wait_for(told, END_TOLD_WITHIN)
        except Exception as error:
            self._say(_("its end could not be told: %(error)s") % {"error": error})

    async def _stopped_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
        return self._stopping.is_set()

    async def _spawn(self) -> None:
        self._process, self._start = None, uuid.uuid4().hex
        self._output, output = await self._listen()
        stdin = self._stdin()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self.program.command,
                stdin=stdin,
                stdout=output,
                stderr=output,
                env={**(self.program.environment or os.environ), START: self._start},
                start_new_session=True,
                preexec_fn=functools.partial(die_with_parent, os.getpid()),
            )
        finally:
            os.close(stdin)
            os.close(output)
        if self._stopping.is_set():  # asked to stop while it was being started
            self._send(signal.SIGTERM)

    async def _listen(self) -> tuple[LineReader, int]:
        """Return a reader of a new pipe, and the end that the process writes to.

        A pipe of our own: asyncio's would let a grandchild that inherited it keep
        `Process.wait` from returning.
        """
        readable, writable = os.pipe()
        _transport, reader = await asyncio.get_running_loop().connect_read_pipe(
            lambda: LineReader(self._show), os.fdopen(readable, "rb", 0)
        )
        return reader, writable

    def _stdin(self) -> int:
        if not self.program.stdin:
            return os.open(os.devnull, os.O_RDONLY)
        readable, writable = os.pipe()
        os.write(writable, self.program.stdin)  # far below what a pipe holds
        os.close(writable)
        return readable

    def _show(self, line: str) -> None:
        if not any(part in line for part in self.program.hidden):
            self._say(line)

    def _say(self, text: str) -> None:
        self._console.line(self.program.name, text)

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _kill_group(self) -> None:
        """Kill the session that the process leads, so that none of it stays behind."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
