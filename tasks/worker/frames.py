"""Messages between a worker and its children: JSON with its length before it."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import Any

_LENGTH = struct.Struct("!I")

#: No message is longer: the largest holds a result with its escapes.
FRAME_LIMIT = 64 * 1024 * 1024


def pack(message: dict[str, Any]) -> bytes:
    text = json.dumps(message).encode()
    return _LENGTH.pack(len(text)) + text


async def read(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """Return the next message, or None when the other side is gone."""
    try:
        length = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))[0]
        if length > FRAME_LIMIT:
            return None
        message: dict[str, Any] = json.loads(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError, ValueError):
        return None
    return message


def receive(connection: socket.socket) -> dict[str, Any] | None:
    """Return the next message, blocking, or None when the other side is gone."""
    head = _receive_exactly(connection, _LENGTH.size)
    if head is None:
        return None
    text = _receive_exactly(connection, _LENGTH.unpack(head)[0])
    if text is None:
        return None
    message: dict[str, Any] = json.loads(text)
    return message


def _receive_exactly(connection: socket.socket, size: int) -> bytes | None:
    parts: list[bytes] = []
    while size:
        part = connection.recv(min(size, 1 << 20))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
