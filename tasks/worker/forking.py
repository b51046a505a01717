"""A worker's end of its fork server, which children come from."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tasks.worker.programs import Process, death, execute

logger = logging.getLogger(__name__)

#: What a child runs that is not forked.
CHILD = "tasks.worker.child"

#: Seconds that the server gets to end when it is not needed any more.
LAST_WORDS = 1.0

#: Bytes of a message, at most.
_LONGEST = 4_096


@dataclass(eq=False)
class Forked:
    """A process that the server forked."""

    pid: int
    _ended: asyncio.Future[int]

    @property
    def returncode(self) -> int | None:
        return self._ended.result() if self._ended.done() else None

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    def note_end(self, code: int) -> None:
        self._ended.set_result(code)


def end_worker() -> None:
    """End this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class ForkServer:
    """Starts children, as copies of a process that has loaded what tasks need.

    A child takes 20 ms so, in place of half a second. Where a copy would be unsafe, or
    the system is not Linux, each is started from the beginning.
    """

    #: What is done when the server ended by itself, and the kernel its children with it.
    #: A job that kills its parent kills it: then other jobs are not to blame, and the
    #: death counts against all of them as that of a worker does.
    died: Callable[[], None] = end_worker
    _server: Process | None = None
    _watching: asyncio.Task[None] | None = None
    _socket: socket.socket | None = None
    _hazard: asyncio.Future[str] | None = None
    _numbers: Iterator[int] = field(default_factory=count)
    #: Children that were asked for, and those that there are, by their numbers.
    _asked: dict[int, asyncio.Future[Forked]] = field(default_factory=dict)
    _forked: dict[int, Forked] = field(default_factory=dict)
    _is_closed: bool = False

    async def launch(self, *descriptors: int) -> Process:
        """Start a child that inherits these. Raises OSError."""
        if not sys.platform.startswith("linux") or await self._begin():
            return await execute(CHILD, *descriptors)
        if self._socket is None:
            raise OSError("the fork server has ended")
        born: asyncio.Future[Forked] = asyncio.get_running_loop().create_future()
        number = next(self._numbers)
        socket.send_fds(self._socket, [b"%d" % number], descriptors)
        self._asked[number] = born
        return await born

    async def _begin(self) -> str:
        """Start the server where none runs; returns why it cannot fork, if so."""
        if self._hazard is None:
            self._hazard = asyncio.get_running_loop().create_future()
            self._watching = asyncio.create_task(self._watch(self._hazard))
        return await asyncio.shield(self._hazard)

    async def _watch(self, hazard: asyncio.Future[str]) -> None:
        """Run the server until it ends."""
        try:
            server = await self._start()
        except OSError as error:
            self._hazard = None
            hazard.set_exception(error)
            return
        self._server = server
        self._note_end(await server.wait(), hazard)

    async def _start(self) -> Process:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, contextlib.ExitStack() as undo:
            undo.callback(ours.close)
            server = await execute("tasks.worker.fork_server", theirs.fileno())
            undo.pop_all()
        os.set_blocking(ours.fileno(), False)
        self._socket = ours
        asyncio.get_running_loop().add_reader(ours.fileno(), self._listen, ours)
        return server

    def _note_end(self, code: int, hazard: asyncio.Future[str]) -> None:
        """Forget a server that ended; the next child starts another."""
        if self._socket:
            self._listen(self._socket)
        self._hang_up()
        self._server = self._hazard = None
        error = OSError(f"the fork server: {death(code)}")
        unanswered: list[asyncio.Future[Any]] = [hazard, *self._asked.values()]
        self._asked.clear()
        for question in unanswered:
            if self._is_closed:
                question.cancel()
            elif not question.done():
                question.set_exception(error)
        if self._forked and not self._is_closed:
            logger.error("%s; the worker ends with it", error)
            self.died()
        for forked in self._forked.values():
            forked.note_end(-signal.SIGKILL)
        self._forked.clear()

    def _hang_up(self) -> None:
        if self._socket:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _listen(self, server: socket.socket) -> None:
        while True:
            try:
                said = server.recv(_LONGEST)
            except BlockingIOError:
                return
            except OSError:
                said = b""
            if not said:  # it ends
                asyncio.get_running_loop().remove_reader(server.fileno())
                return
            self._note(**json.loads(said))

    def _note(self, **said: Any) -> None:
        match said:
            case {"hazard": hazard}:
                self._note_hazard(hazard)
            case {"number": number, "pid": pid}:
                self._note_birth(number, pid)
            case {"number": number, "failed": text}:
                self._note_failure(number, text)
            case {"number": number, "code": code} if number in self._forked:
                self._forked.pop(number).note_end(code)
            case {"number": number, "code": code}:
                self._note_failure(number, death(code))

    def _note_hazard(self, hazard: str) -> None:
        if hazard:
            text = "modules of tasks open %s: each child loads them by itself"
            logger.info(text, hazard)
        if self._hazard and not self._hazard.done():
            self._hazard.set_result(hazard)

    def _note_birth(self, number: int, pid: int) -> None:
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        forked = self._forked[number] = Forked(pid, ended)
        born = self._asked.pop(number)
        if born.done():  # nobody waits for it any more
            os.kill(pid, signal.SIGKILL)
        else:
            born.set_result(forked)

    def _note_failure(self, number: int, text: str) -> None:
        born = self._asked.pop(number)
        if not born.done():
            born.set_exception(OSError(text))

    async def close(self) -> None:
        """End the server; its children end with it."""
        self._is_closed = True
        if self._watching is None:
            return
        if self._server is None:
            self._watching.cancel()
        self._hang_up()
        await asyncio.wait((self._watching,), timeout=LAST_WORDS)
        if self._server:
            os.kill(self._server.pid, signal.SIGKILL)
            await self._watching
