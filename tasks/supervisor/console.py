"""The terminal that several processes share: each line begins with a name."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TextIO

#: ANSI colours for the names, given out in the order in which they first speak.
COLOURS = (36, 33, 32, 35, 34, 96, 93, 92)

#: Names shorter than this are padded, so that the lines stand in a column.
NAME_WIDTH = 9

#: A line longer than so many bytes is broken: one process must not fill the memory.
LINE_LIMIT = 64 * 1024


class Console:
    """Writes whole lines, coloured on a terminal unless NO_COLOR is set."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._coloured = stream.isatty() and not os.environ.get("NO_COLOR")
        self._colours: dict[str, int] = {}

    def line(self, name: str, text: str) -> None:
        """Write one line of the process `name`."""
        self.write(f"{self._prefix(name)} {text}")

    def write(self, text: str) -> None:
        """Write `text` and a line's end; what nobody can read any more is dropped."""
        try:
            self._stream.write(f"{text}\n")
            self._stream.flush()
        except (BrokenPipeError, OSError):  # the terminal is gone; SIGHUP says so too
            return

    def _prefix(self, name: str) -> str:
        label = f"{name:<{NAME_WIDTH}} |"
        if not self._coloured:
            return label
        colour = self._colours.setdefault(
            name, COLOURS[len(self._colours) % len(COLOURS)]
        )
        return f"\x1b[{colour}m{label}\x1b[0m"


class LineReader(asyncio.Protocol):
    """Passes on the whole lines of a pipe, and what is left over at its end."""

    def __init__(self, take: Callable[[str], None]) -> None:
        self._take = take
        self._rest = b""
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._pass_on(line)
        if len(self._rest) > LINE_LIMIT:
            self._pass_on(self._rest)
            self._rest = b""

    def connection_lost(self, error: Exception | None) -> None:
        if self._rest:
            self._pass_on(self._rest)
        self.ended.set()

    def _pass_on(self, line: bytes) -> None:
        self._take(line.decode(errors="replace").rstrip("\r"))
