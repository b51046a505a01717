"""Where one command of Redis' protocol ends and the next begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_END = b"\r\n"

#: Words of a command that are kept: its name, and what tells scripts apart.
_KEPT = 2


@dataclass(frozen=True)
class Command:
    """One command as a client sent it."""

    raw: bytes
    name: str
    #: Its first argument: the hash of a script, a key.
    argument: str = ""


class CommandReader:
    """Cuts what one client sends into commands, however it was split or pipelined."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        #: Up to here the buffer has been looked at.
        self._at = 0
        #: Words that the command at the buffer's beginning lacks; None: not known yet.
        self._lacking: int | None = None
        self._words: list[str] = []

    def feed(self, data: bytes) -> list[Command]:
        """Return the commands that `data` completes; the rest waits for more."""
        self._buffer += data
        return list(self._complete())

    def _complete(self) -> Iterator[Command]:
        while self._read_head() and self._read_words():
            raw = bytes(self._buffer[: self._at])
            del self._buffer[: self._at]
            name, argument = (*self._words, "", "")[:_KEPT]
            self._at, self._lacking, self._words = 0, None, []
            yield Command(raw, name.upper(), argument)

    def _read_head(self) -> bool:
        """Read how many words the command has; say whether that is known."""
        if self._lacking is None and (line := self._line()) is not None:
            if line.startswith(b"*"):
                self._lacking = max(0, int(line[1:]))
            else:  # an inline command, as typed by hand
                self._words = [word.decode("latin-1") for word in line.split()[:_KEPT]]
                self._lacking = 0
        return self._lacking is not None

    def _read_words(self) -> bool:
        """Read the words that have arrived; say whether all have."""
        while self._lacking:
            begin = self._at
            line = self._line()
            if line is None:
                return False
            size = int(line[1:])
            if len(self._buffer) < self._at + size + len(_END):
                self._at = begin
                return False
            if len(self._words) < _KEPT:
                word = self._buffer[self._at : self._at + size]
                self._words.append(word.decode("latin-1"))
            self._at += size + len(_END)
            self._lacking -= 1
        return True

    def _line(self) -> bytes | None:
        """Return the next line, None where its end has not arrived."""
        end = self._buffer.find(_END, self._at)
        if end < 0:
            return None
        line = bytes(self._buffer[self._at : end])
        self._at = end + len(_END)
        return line
