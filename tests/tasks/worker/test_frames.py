from __future__ import annotations

import asyncio
import socket

import pytest

from tasks.worker import frames


def read_bytes(data: bytes) -> object:
    async def main() -> object:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        return await frames.read(reader)

    return asyncio.run(main())


def test_a_message_comes_back_as_it_was() -> None:
    message = {"kind": "log", "line": "é\ud800" * 100_000}
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(5)
        theirs.settimeout(5)
        small = {"a": [1, None, "x"]}
        ours.sendall(frames.pack(small))
        assert frames.receive(theirs) == small
    assert read_bytes(frames.pack(message)) == message


def test_the_other_side_that_is_gone_is_none() -> None:
    ours, theirs = socket.socketpair()
    ours.sendall(frames.pack({"a": 1})[:-1])
    ours.close()
    with theirs:
        assert frames.receive(theirs) is None


@pytest.mark.parametrize(
    "data",
    [b"", b"\0\0", b"\0\0\0\5ab", b"\0\0\0\2{{", b"\xff\xff\xff\xff"],
    ids=["nothing", "half a head", "half a body", "no json", "too long"],
)
def test_garbage_is_as_good_as_gone(data: bytes) -> None:
    assert read_bytes(data) is None
