from __future__ import annotations

import socket

import pytest

from tasks.worker import frames
from tasks.worker.frames import FrameTooLong, Splitter


def test_messages_come_back_as_they_were_however_they_were_cut() -> None:
    sent = [({"a": [1, None, "x"]}, b"\x00\xff"), ({"line": "é\ud800" * 1_000}, b"")]
    wire = b"".join(frames.pack(message, data) for message, data in sent)
    for step in (1, 7, len(wire)):
        splitter, got = Splitter(), []
        for start in range(0, len(wire), step):
            got += list(splitter.feed(wire[start : start + step]))
        assert got == sent


def test_a_child_reads_until_the_other_side_is_gone() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.sendall(frames.pack({"a": 1}, b"data") + frames.pack({"b": 2})[:-1])
        ours.close()
        assert list(frames.receive(theirs)) == [({"a": 1}, b"data")]


@pytest.mark.parametrize(
    ("data", "error"),
    [(b"\0\0\0\2\0\0\0\0{{", ValueError), (b"\xff" * 8, FrameTooLong)],
)
def test_garbage_is_refused(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        list(Splitter().feed(data))
