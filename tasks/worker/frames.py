"""Messages between a worker and its children: JSON, and bytes that go along unchanged.

A frame is two lengths (4 bytes each, network order), a JSON object, and the bytes.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from typing import Any

_LENGTHS = struct.Struct("!II")

#: No frame is longer: the largest holds a result with its escapes.
FRAME_LIMIT = 64 * 1024 * 1024

#: Bytes asked of the socket by one read of a child.
CHUNK = 1 << 18


class FrameTooLong(Exception):
    """Raised for a frame over FRAME_LIMIT: the other side does not speak this protocol."""


def pack(message: dict[str, Any], data: bytes = b"") -> bytes:
    text = json.dumps(message).encode()
    return _LENGTHS.pack(len(text), len(data)) + text + data


class Splitter:
    """Turns a stream of bytes, fed in pieces, into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, piece: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Yield each message that is complete now. Raises FrameTooLong and ValueError."""
        buffer = self._buffer
        buffer += piece
        start = 0
        while len(buffer) - start >= _LENGTHS.size:
            text_size, data_size = _LENGTHS.unpack_from(buffer, start)
            if text_size + data_size > FRAME_LIMIT:
                raise FrameTooLong
            middle = start + _LENGTHS.size + text_size
            end = middle + data_size
            if len(buffer) < end:
                break
            text, data = buffer[start + _LENGTHS.size : middle], buffer[middle:end]
            start = end
            yield json.loads(text), bytes(data)
        del buffer[:start]


def receive(connection: socket.socket) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Yield messages, blocking, until the other side is gone."""
    splitter = Splitter()
    while piece := connection.recv(CHUNK):
        yield from splitter.feed(piece)
